/** The program that lets apps authenticate on the system bus. A bundle of its own, so that it is small. */
import { relayMain } from './relay.ts';

relayMain();
