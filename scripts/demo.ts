/**
 * `npm start`: packages the examples, runs them under a `berthd` of their own, and shows what becomes of them. Stays
 * until Ctrl-C, or ends after the tour with `npm start -- --once`. Leaves nothing running, mounted or lying about.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { prepareExamples } from '../examples/build.ts';
import { asBerthError } from '../src/lib/errors.ts';
import { buildBundles } from './build.ts';
import { claimPlace, place, vacatePlace } from './demo/place.ts';
import { Stage } from './demo/stage.ts';
import { playTour } from './demo/tour.ts';
import { heading, tell } from './demo/words.ts';
import { giveToOwner } from './owner.ts';

const { values: options } = parseArgs({ options: { once: { type: 'boolean', default: false } } });

/** Aborts at the first signal that ends the demonstration; the second aborts the orderly stop of the apps too. */
const interrupted = new AbortController();
const impatient = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) impatient.abort();
    interrupted.abort();
  });
}
// A terminal that was closed must not keep the apps from being stopped.
process.stdout.on('error', () => {
  interrupted.abort();
});

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the demonstration runs real containers, and those need root: sudo npm start');
  if ((await claimPlace()) === 'leftover') tell('An earlier demonstration was cut off; what it had left is gone now.');
  const stage = new Stage(interrupted.signal);
  let tourIsOver = false;
  try {
    await buildBundles();
    const folders = await prepareExamples({ onProgress: (message) => process.stdout.write(`examples: ${message}\n`) });
    await giveToOwner();
    await playTour(stage, folders);
    tourIsOver = true;
    if (!options.once) await stay(stage);
  } catch (error) {
    if (!interrupted.signal.aborted) complain(error);
    // As shells have it for a program that was ended by Ctrl-C; after the tour, Ctrl-C is the regular end.
    else if (!tourIsOver) process.exitCode = 130;
  } finally {
    await leave(stage);
  }
}

async function stay(stage: Stage): Promise<void> {
  heading('Your turn');
  tell('Everything goes on until Ctrl-C. From a second terminal, as root, in this folder:');
  process.stdout.write(`
  export BERTH_HOST=unix://${place.socket}
  bin/berth ps
  bin/berth logs -f telemetry
  bin/berth exec webapp ls /srv/www
  bin/berth authority list
  bin/berth policy check mosquitto
  bin/berth events -f
  bin/berth start crashy
  curl --unix-socket ${place.socket} http://berth/berth/v1/apps
  curl --unix-socket ${place.run}/exchange/webapp/web/http.sock http://webapp/
`);
  for (;;) {
    await stage.berthdEnded();
    tell('berthd has ended; the apps run on. As systemd does on a device, this starts it again.');
    await stage.startBerthd();
  }
}

/** Stops what runs in order, then takes away whatever is left. */
async function leave(stage: Stage): Promise<void> {
  heading('The end');
  tell('Stopping the apps in reverse order, then berthd, and removing everything …');
  try {
    await stage.close(impatient.signal);
  } catch (error) {
    if (!impatient.signal.aborted) tell(`The orderly stop did not work out (${asBerthError(error).message}); ending all by force.`);
  }
  await vacatePlace();
  tell('Nothing is left running or mounted.');
}

/** What went wrong, and what berthd said last: its log goes with everything else. */
function complain(error: unknown): void {
  process.exitCode = 1;
  process.stderr.write(`\n${asBerthError(error).message}\n`);
  const log = existsSync(place.log) ? readFileSync(place.log, 'utf8').trimEnd().split('\n').slice(-10) : [];
  for (const line of log) process.stderr.write(`berthd: ${line}\n`);
}

try {
  await main();
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`${asBerthError(error).message}\n`);
}
