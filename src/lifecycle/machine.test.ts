import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Action, describeMachine, machine, type MachineEvent, machineEvents, type Phase, phases } from './machine.ts';

const allPhases = Object.keys(phases) as Phase[];
const allEvents = Object.keys(machineEvents) as MachineEvent[];
const commands = ['start', 'stop', 'kill', 'suspend', 'resume', 'restart', 'autostart', 'shutdown', 'shutdown-deadline', 'halt'] as const;

/** The world around the machine, as far as it matters: what there is, and what may therefore happen next. */
class World {
  phase: Phase = 'stopped';
  desired: 'running' | 'stopped' = 'running';
  instance: 'none' | 'launching' | 'alive' = 'none';
  timer: 'none' | 'stop' | 'kill' | 'backoff' = 'none';
  /** Freezing or thawing that may still fail. */
  freezing: 'none' | 'pause' | 'thaw' = 'none';
  shuttingDown = false;

  /** Facts that can arise now. */
  facts(): MachineEvent[] {
    const facts: MachineEvent[] = [];
    if (this.instance === 'launching' && this.phase === 'starting') facts.push('held', 'queue');
    if (this.instance === 'launching') facts.push('started', 'ended-wait', 'ended-failed');
    if (this.instance === 'alive') facts.push('ended-restart', 'ended-wait', 'ended-failed', 'ended-done');
    if (this.instance === 'alive' && this.phase === 'running') facts.push('unhealthy', 'watchdog');
    if (this.timer === 'stop') facts.push('stop-timeout');
    if (this.timer === 'kill') facts.push('kill-timeout');
    if (this.timer === 'backoff' || this.phase === 'queued') facts.push('due');
    if (this.freezing === 'pause') facts.push('pause-failed');
    if (this.freezing === 'thaw') facts.push('resume-failed');
    return facts;
  }

  happen(event: MachineEvent): void {
    const step = machine[this.phase][event];
    assert.notEqual(step, 'impossible', `${event} in ${this.phase}`);
    if (step === 'refused' || step === 'impossible') return;
    if (event === 'started') this.instance = 'alive';
    if (event.startsWith('ended-') || event === 'held' || event === 'queue') this.instance = 'none';
    if (event.startsWith('ended-') || event === 'pause-failed' || event === 'resume-failed') this.freezing = 'none';
    if (event === 'stop-timeout' || event === 'kill-timeout' || event === 'due') this.timer = 'none';
    if (event === 'shutdown') this.shuttingDown = true;
    this.phase = step.to ?? this.phase;
    for (const action of step.actions) this.#act(action);
    this.#check(event);
  }

  #act(action: Action): void {
    if (action === 'desire-running') this.desired = 'running';
    if (action === 'desire-stopped') this.desired = 'stopped';
    if (action === 'launch') {
      assert.equal(this.instance, 'none', 'a second instance beside the first');
      this.instance = 'launching';
    }
    if (action === 'ask' || action === 'kill') assert.notEqual(this.instance, 'none', 'a signal to nothing');
    if (action === 'pause' || action === 'thaw') this.freezing = action;
    if (action === 'arm-stop') this.timer = 'stop';
    if (action === 'arm-kill') this.timer = 'kill';
    if (action === 'arm-backoff') this.timer = 'backoff';
    if (action === 'disarm') this.timer = 'none';
  }

  #check(event: MachineEvent): void {
    const where = `after ${event}, in ${this.phase}`;
    const there = this.instance !== 'none';
    assert.equal(there, !['stopped', 'queued', 'backoff', 'failed'].includes(this.phase), `instance ${this.instance} ${where}`);
    assert.equal(this.timer === 'backoff', this.phase === 'backoff', `timer ${this.timer} ${where}`);
    if (!['stopping', 'restarting', 'ailing', 'backoff'].includes(this.phase)) assert.equal(this.timer, 'none', where);
  }
}

/** Runs a random history: each number chooses among the commands and the facts that are possible at that moment. */
function history(choices: readonly number[]): World {
  const world = new World();
  for (const choice of choices) {
    const possible = [...commands, ...world.facts(), ...world.facts()];
    world.happen(possible[choice % possible.length]!);
  }
  return world;
}

const choices = fc.array(fc.nat(), { maxLength: 60, size: 'max' });

test('every phase has a row for every event', () => {
  for (const phase of allPhases) assert.deepEqual(Object.keys(machine[phase]).toSorted(), allEvents.toSorted(), phase);
});

test('no history reaches an impossible combination, a second instance or a signal to nothing', () => {
  fc.assert(fc.property(choices, (list) => void history(list)), { numRuns: 3000 });
});

test('after stop or kill, the end of what runs leads to stopped, and it is to stay so', () => {
  fc.assert(
    fc.property(choices, fc.constantFrom('stop', 'kill'), fc.nat(), (list, command, choice) => {
      const world = history(list);
      world.happen(command);
      const endings = world.facts().filter((fact) => fact.startsWith('ended-'));
      if (endings.length > 0) world.happen(endings[choice % endings.length]!);
      assert.equal(world.phase, 'stopped');
      assert.equal(world.desired, 'stopped');
      assert.equal(world.timer, 'none');
    }),
    { numRuns: 3000 },
  );
});

test('after start or restart, the ends and starts that come lead to running', () => {
  fc.assert(
    fc.property(choices, fc.constantFrom('start', 'restart'), (list, command) => {
      const world = history(list);
      world.happen(command);
      if (world.facts().includes('ended-restart')) world.happen('ended-restart');
      if (world.facts().includes('started')) world.happen('started');
      if (world.facts().includes('ended-restart') && world.phase === 'restarting') world.happen('ended-restart');
      if (world.phase === 'starting') world.happen('started');
      assert.equal(world.phase, 'running');
      assert.equal(world.desired, 'running');
    }),
    { numRuns: 3000 },
  );
});

test('what an update halts ends and stays down, and nothing of what is desired changes', () => {
  fc.assert(
    fc.property(choices, fc.nat(), (list, choice) => {
      const world = history(list);
      const { desired } = world;
      world.happen('halt');
      const endings = world.facts().filter((fact) => fact.startsWith('ended-'));
      if (endings.length > 0) world.happen(endings[choice % endings.length]!);
      assert.ok(['stopped', 'failed'].includes(world.phase), world.phase);
      assert.equal(world.desired, desired);
      assert.equal(world.timer, 'none');
    }),
    { numRuns: 3000 },
  );
});

test('a shutdown ends everything and changes nothing of what is desired', () => {
  fc.assert(
    fc.property(choices, (list) => {
      const world = history(list);
      const { desired } = world;
      world.happen('shutdown');
      world.happen('shutdown-deadline');
      if (world.instance !== 'none') world.happen('ended-failed');
      assert.ok(['stopped', 'failed'].includes(world.phase), world.phase);
      assert.equal(world.desired, desired);
    }),
    { numRuns: 3000 },
  );
});

test('what waits for an end always has a timer, until SIGKILL has had its time', () => {
  for (const phase of ['starting', 'running', 'suspended'] as const) {
    for (const event of ['stop', 'kill', 'shutdown', 'shutdown-deadline', 'halt'] as const) {
      const step = machine[phase][event];
      assert.ok(typeof step === 'object' && step.actions.some((action) => action === 'arm-stop' || action === 'arm-kill'), `${event} in ${phase}`);
    }
  }
});

test('a frozen app is thawed after its stop signal was sent, or it would never see it', () => {
  for (const event of ['stop', 'restart', 'shutdown', 'halt'] as const) {
    const step = machine.suspended[event];
    assert.ok(typeof step === 'object');
    assert.ok(step.actions.indexOf('ask') < step.actions.indexOf('thaw') && step.actions.includes('ask'), event);
  }
});

test('the table for the documents has a line for each event and a column for each phase', () => {
  const lines = describeMachine().trim().split('\n');
  assert.equal(lines.length, allEvents.length + 2);
  for (const line of lines) assert.equal(line.split('|').length, allPhases.length + 3, line);
  assert.match(lines[0]!, /^\| event \| stopped \| starting \| queued \|/);
});

test('the document shows the table as it is', () => {
  const document = readFileSync(join(import.meta.dirname, '../../docs/supervision.md'), 'utf8');
  assert.ok(document.includes(describeMachine()), 'docs/supervision.md: put in what describeMachine() gives');
});
