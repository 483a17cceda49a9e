import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { place } from './place.ts';
import type { Stage } from './stage.ts';
import { makeVersion } from './version.ts';
import { heading, tell } from './words.ts';

/** Those that the maker signs; packages of Mbed Linux OS have no signature. */
const signedExamples = ['mosquitto', 'telemetry', 'webapp', 'hello-world', 'crashy'] as const;

/** A part of the demonstration: what is about to be seen, then the seeing. */
interface Act {
  readonly title: string;
  readonly play: (stage: Stage) => Promise<void>;
}

/** Plays all acts in order. `folders`: what `berth build` takes, by name of the example. */
export async function playTour(stage: Stage, folders: ReadonlyMap<string, string>): Promise<void> {
  for (const [index, { title, play }] of acts(folders).entries()) {
    heading(`${index + 1}. ${title}`);
    await play(stage);
  }
}

function acts(folders: ReadonlyMap<string, string>): readonly Act[] {
  return [
    { title: 'Packages', play: (stage) => pack(stage, folders) },
    { title: 'The daemon', play: startDaemon },
    { title: 'Install and start', play: install },
    { title: 'Trust and rights', play: refuse },
    { title: 'Apps that work together', play: lookAtTelemetry },
    { title: 'An app is killed', play: killBroker },
    { title: 'Suspend and resume', play: suspend },
    { title: 'An app that keeps failing', play: watchCrashy },
    { title: 'The daemon is killed', play: killDaemon },
    { title: 'An update', play: update },
    { title: 'An update that is no good', play: updateBadly },
    { title: 'An app that has finished', play: lookAtHello },
    { title: 'All of them', play: showAll },
  ];
}

async function pack(stage: Stage, folders: ReadonlyMap<string, string>): Promise<void> {
  tell(`Each example is a folder with a berth.yaml and a root file system: Debian's
        Mosquitto broker, a Node.js web application of 3,700 files, shell scripts,
        and a bundle as Mbed Linux OS laid it out. Each becomes one .ipk file.`);
  mkdirSync(join(place.packages, 'examples'));
  for (const [name, folder] of folders) {
    symlinkSync(folder, join(place.packages, 'examples', name));
    await stage.must('build', join('examples', name), '-o', `${name}.ipk`);
  }
  tell('All but the one of Mbed Linux OS are signed, with a key that is made now.');
  await stage.must('keygen', '-o', 'maker');
  for (const name of signedExamples) await sign(stage, `${name}.ipk`);
  const telemetry = folders.get('telemetry')!;
  await makeVersion(telemetry, join(place.packages, 'telemetry-1.1'), { version: '1.1.0' });
  await makeVersion(telemetry, join(place.packages, 'telemetry-1.2'), { version: '1.2.0', script: '#!/bin/sh\necho "cannot find my settings"\nsleep 1\nexit 3\n' });
}

async function sign(stage: Stage, file: string): Promise<void> {
  await stage.must('sign', file, '--key', 'maker.key', '--cert', 'maker.pem');
}

async function startDaemon(stage: Stage): Promise<void> {
  tell(`berthd supervises the apps. This one has a root of its own and knows nothing
        of another on this machine. Its operator trusts the maker of the examples. As a
        device for development it also takes packages that nobody has signed; berth
        marks each of them.`);
  writeFileSync(join(place.packages, 'maker.yaml'), `certificate: maker.pem\napps: [${signedExamples.join(', ')}]\n`);
  await stage.must('authority', 'add', 'maker.yaml', '--into', place.authorities);
  process.stdout.write(`\n$ berthd --root ${place.root} --run ${place.run} \\\n         --config ${place.config}\n`);
  await stage.startBerthd();
  await stage.must('doctor');
}

async function install(stage: Stage): Promise<void> {
  tell(`telemetry says in its package that it needs mosquitto. Without it, nothing is
        installed, and the answer says what is missing.`);
  await stage.show('install', 'telemetry.ipk');
  tell(`Now in the right order. Every file is checked against the package's manifest
        while it is unpacked; then the app starts in a container of its own.`);
  for (const name of ['mosquitto', 'telemetry', 'webapp', 'hello-world', 'mbl-hello-world', 'crashy']) {
    await stage.must('install', `${name}.ipk`);
  }
  await stage.must('ps');
}

async function refuse(stage: Stage): Promise<void> {
  tell('The same telemetry, signed by somebody whom this device does not know, is refused:');
  await stage.must('keygen', '-o', 'stranger');
  await stage.must('sign', 'telemetry.ipk', '--replace', '--key', 'stranger.key', '--cert', 'stranger.pem', '-o', 'strange.ipk');
  await stage.show('install', 'strange.ipk');
  tell(`What an app may do is decided field by field. The one of Mbed Linux OS asks for
        a capability that apps do not get; the policy here for such packages lets it
        run without.`);
  await stage.must('policy', 'check', 'mbl-hello-world');
}

async function lookAtTelemetry(stage: Stage): Promise<void> {
  tell(`Apps have no network but loopback. mosquitto exports a directory with a socket;
        telemetry, which depends on it, sees that directory and sends readings.`);
  await stage.until('the first readings', async () => (await stage.output('logs', '-n', '50', 'telemetry')).includes('sent reading 3'));
  await stage.must('logs', '-n', '3', 'telemetry');
  tell(`The web application answers on its own loopback. A command in its container:`);
  await stage.must('exec', 'webapp', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/headers/');
}

async function killBroker(stage: Stage): Promise<void> {
  const before = await stage.status('mosquitto');
  const pid = before.instance!.pid;
  tell(`The broker's process is killed with SIGKILL, from outside. The supervisor
        starts it again at once; telemetry finds it again by itself.`);
  process.stdout.write(`\n$ kill -9 ${pid}\n`);
  process.kill(pid, 'SIGKILL');
  await stage.untilApp('mosquitto', 'to run again', ({ state, instance }) => state === 'running' && instance !== undefined && instance.pid !== pid);
  await stage.pause(2500);
  await stage.must('show', 'mosquitto');
  await stage.must('logs', '-n', '4', 'telemetry');
}

async function suspend(stage: Stage): Promise<void> {
  tell('A suspended app keeps its memory and does nothing: no readings for three seconds.');
  await stage.must('suspend', 'telemetry');
  await stage.pause(3000);
  await stage.must('ps');
  await stage.must('resume', 'telemetry');
  await stage.pause(1500);
  await stage.must('logs', '-t', '-n', '3', 'telemetry');
}

async function watchCrashy(stage: Stage): Promise<void> {
  tell(`crashy fails after a second, every time. Its first restart was at once, the
        next came after 1 s, 2 s, 4 s; after four within a minute it counts as failed
        and stays down until a person starts it. What has happened so far:`);
  await stage.untilApp('crashy', 'to fail for good', ({ state }) => state === 'failed');
  await stage.must('logs', '-n', '4', 'crashy');
  await stage.must('show', 'crashy');
}

async function killDaemon(stage: Stage): Promise<void> {
  const { instance } = await stage.status('webapp');
  tell(`berthd itself is killed with SIGKILL. The apps run on; the next berthd takes
        them over. webapp is process ${instance!.pid} now:`);
  process.stdout.write(`\n$ kill -9 ${stage.berthdPid}\n$ berthd --root ${place.root} …\n`);
  await stage.endBerthd('SIGKILL');
  await stage.startBerthd();
  await stage.must('ps');
  const after = await stage.status('webapp');
  tell(`and process ${after.instance?.pid ?? 'none'} after that.`);
}

async function update(stage: Stage): Promise<void> {
  tell(`A new version of telemetry. It is put on disk while the old one runs, then
        switched in one transaction; it must stay up for two seconds until the update
        counts. First the plan:`);
  await stage.must('build', 'telemetry-1.1', '-o', 'telemetry-1.1.ipk');
  await sign(stage, 'telemetry-1.1.ipk');
  await stage.must('install', '--dry-run', 'telemetry-1.1.ipk');
  await stage.must('install', 'telemetry-1.1.ipk');
}

async function updateBadly(stage: Stage): Promise<void> {
  tell(`The next version ends with an error as soon as it runs. The one before comes
        back by itself.`);
  await stage.must('build', 'telemetry-1.2', '-o', 'telemetry-1.2.ipk');
  await sign(stage, 'telemetry-1.2.ipk');
  await stage.show('install', 'telemetry-1.2.ipk');
  await stage.must('updates');
  await stage.must('ps');
}

async function lookAtHello(stage: Stage): Promise<void> {
  tell('hello-world prints ten lines, two seconds apart, and ends. It may end: it is not started again.');
  await stage.untilApp('hello-world', 'to end', ({ state }) => state === 'stopped');
  await stage.must('logs', 'hello-world');
}

async function showAll(stage: Stage): Promise<void> {
  tell('Figures come from the cgroups of the containers; nothing runs per app to gather them.');
  await stage.must('stats', '--no-stream');
  await stage.must('ps');
}
