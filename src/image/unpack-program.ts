/**
 * The program that unpacks payloads for berthd. Built as a bundle of its own: to load all of berthd would take as long
 * as to unpack a package of several hundred files.
 */
import { unpackWorkerMain } from './unpack-worker.ts';

// It answers every fault itself.
void unpackWorkerMain();
