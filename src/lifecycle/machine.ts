import type { AppStateName, Reason } from './types.ts';

/**
 * The state machine of an app, as a table over plain data: what each phase makes of each event, and what is to be done.
 * Nothing here acts; `app.ts` feeds it and does what it says. The work it asks for is done in the order it was asked
 * for, one piece at a time, so that a signal asked for during a launch reaches the instance when it is there.
 */

/** The phases of the machine, with the state that people see. `restarting` and `ailing` differ in what follows the end. */
export const phases = {
  stopped: { shown: 'stopped', meaning: 'nothing runs' },
  starting: { shown: 'starting', meaning: 'an instance is being made' },
  queued: { shown: 'starting', meaning: 'waits for a device that another app has; then an instance is made' },
  running: { shown: 'running', meaning: 'the instance runs' },
  suspended: { shown: 'suspended', meaning: 'the instance is frozen' },
  stopping: { shown: 'stopping', meaning: 'the instance is to end; then stopped' },
  restarting: { shown: 'stopping', meaning: 'the instance is to end; then a new one starts' },
  ailing: { shown: 'stopping', meaning: 'the instance does not run well and is to end; then the restart policy decides' },
  backoff: { shown: 'backoff', meaning: 'ended by itself; starts again when its wait is over' },
  failed: { shown: 'failed', meaning: 'ended by itself and is not started again until a person does' },
} as const satisfies Record<string, { shown: AppStateName; meaning: string }>;

export type Phase = keyof typeof phases;

/** Everything that can happen to an app: commands first, then facts. */
export const machineEvents = {
  start: 'a person starts it',
  stop: 'a person stops it',
  kill: 'a person kills it',
  suspend: 'a person suspends it',
  resume: 'a person resumes it',
  restart: 'a person restarts it',
  autostart: 'it is started at boot, or after an update',
  shutdown: 'the device shuts down',
  'shutdown-deadline': 'the time for the shutdown is over',
  halt: 'an update stops it',
  held: 'an update holds its start up',
  queue: 'a device that it needs is another app\'s for now',
  adopted: 'it was found running',
  'adopted-suspended': 'it was found suspended',
  started: 'its instance runs',
  'ended-restart': 'ended; policy: start again at once',
  'ended-wait': 'ended or did not start; policy: start again later',
  'ended-failed': 'ended or did not start; policy: give up',
  'ended-done': 'ended; policy: leave it',
  unhealthy: 'its health check failed too often',
  watchdog: 'its watchdog was not fed',
  overfull: 'its data takes more of the disk than it may',
  due: 'its wait, for a restart or a device, is over',
  'stop-timeout': 'it did not end within its stop timeout',
  'kill-timeout': 'it did not even end after SIGKILL',
  'pause-failed': 'freezing it failed',
  'resume-failed': 'thawing it failed',
} as const;

export type MachineEvent = keyof typeof machineEvents;

export type Action =
  /** Make the desired state durable; before anything else is done. */
  | 'desire-running'
  | 'desire-stopped'
  /** A person took it in hand: forget earlier restarts and failure. */
  | 'reset'
  /** A restart by the supervisor. */
  | 'count-restart'
  /** Make a new instance. */
  | 'launch'
  /** Send the stop signal. */
  | 'ask'
  /** Send SIGKILL. */
  | 'kill'
  | 'pause'
  | 'thaw'
  /** Set the app's one timer: for `stop-timeout`, `kill-timeout` or `due`. */
  | 'arm-stop'
  | 'arm-kill'
  | 'arm-backoff'
  | 'disarm'
  /** Tell whoever waits for the end that it does not come. */
  | 'give-up-waiting';

/** Reasons that the machine itself gives for an end. */
export type Because = Extract<Reason['code'], 'stopped' | 'killed' | 'stop-timeout' | 'unhealthy' | 'watchdog' | 'data-full' | 'shutdown' | 'updating'>;

/** What follows from an event. Without `to` the phase stays. */
export interface Step {
  readonly to?: Phase;
  readonly actions: readonly Action[];
  /** Why the instance is made to end. */
  readonly because?: Because;
}

/** `refused`: a command that makes no sense in this phase. `impossible`: a fact that cannot arise in it. */
export type Cell = Step | 'refused' | 'impossible';

const stay: Step = { actions: [] };
const wanted: readonly Action[] = ['desire-running', 'reset'];
const ask: readonly Action[] = ['ask', 'arm-stop'];
const askFrozen: readonly Action[] = ['ask', 'thaw', 'arm-stop'];
const kill: readonly Action[] = ['kill', 'arm-kill'];

function go(to: Phase, actions: readonly Action[] = [], because?: Because): Step {
  return because === undefined ? { to, actions } : { to, actions, because };
}

function each<const E extends MachineEvent>(events: readonly E[], cell: Cell): Record<E, Cell> {
  return Object.fromEntries(events.map((event) => [event, cell])) as Record<E, Cell>;
}

/** The same whatever the restart policy says. */
function ended(cell: Cell): Record<`ended-${'restart' | 'wait' | 'failed' | 'done'}`, Cell> {
  return each(['ended-restart', 'ended-wait', 'ended-failed', 'ended-done'], cell);
}

/** As the restart policy says. */
const endedByPolicy = {
  'ended-restart': go('starting', ['disarm', 'count-restart', 'launch']),
  'ended-wait': go('backoff', ['arm-backoff']),
  'ended-failed': go('failed', ['disarm']),
  'ended-done': go('stopped', ['disarm']),
};

/** An instance on its way out: the same in each of the three phases that wait for its end. */
const leaving = {
  ...each(['start', 'restart'], go('restarting', wanted)),
  kill: go('stopping', ['desire-stopped', ...kill], 'killed'),
  ...each(['suspend', 'resume'], 'refused'),
  autostart: stay,
  'shutdown-deadline': go('stopping', kill, 'shutdown'),
  ...each(['adopted', 'adopted-suspended'], 'impossible'),
  started: stay,
  'stop-timeout': { actions: kill, because: 'stop-timeout' },
  'kill-timeout': { actions: ['give-up-waiting'] },
  ...each(['held', 'queue', 'unhealthy', 'watchdog', 'overfull', 'due'], 'impossible'),
  ...each(['pause-failed', 'resume-failed'], stay),
} as const satisfies Partial<Record<MachineEvent, Cell>>;

/** Nothing of the app is there. */
const absent = {
  ...each(['suspend', 'resume'], 'refused'),
  ...each(['held', 'queue', 'started', 'unhealthy', 'watchdog', 'overfull', 'stop-timeout', 'kill-timeout', 'pause-failed', 'resume-failed'], 'impossible'),
  ...ended('impossible'),
} as const;

export const machine: Readonly<Record<Phase, Readonly<Record<MachineEvent, Cell>>>> = {
  stopped: {
    ...absent,
    ...each(['start', 'restart'], go('starting', [...wanted, 'launch'])),
    ...each(['stop', 'kill'], { actions: ['desire-stopped'] }),
    autostart: go('starting', ['launch']),
    ...each(['shutdown', 'shutdown-deadline', 'halt'], stay),
    adopted: go('running'),
    'adopted-suspended': go('suspended'),
    due: 'impossible',
  },
  starting: {
    ...each(['start', 'restart'], { actions: wanted }),
    stop: go('stopping', ['desire-stopped', ...ask], 'stopped'),
    kill: go('stopping', ['desire-stopped', ...kill], 'killed'),
    ...each(['suspend', 'resume'], 'refused'),
    autostart: stay,
    shutdown: go('stopping', ask, 'shutdown'),
    'shutdown-deadline': go('stopping', kill, 'shutdown'),
    halt: go('stopping', ask, 'updating'),
    held: go('stopped', [], 'updating'),
    queue: go('queued'),
    ...each(['adopted', 'adopted-suspended'], 'impossible'),
    started: go('running'),
    'ended-wait': go('backoff', ['arm-backoff']),
    'ended-failed': go('failed'),
    // What was never there cannot have ended well, and a failed start is not tried again at once.
    ...each(['ended-restart', 'ended-done'], 'impossible'),
    ...each(['unhealthy', 'watchdog', 'overfull', 'due', 'stop-timeout', 'kill-timeout', 'pause-failed', 'resume-failed'], 'impossible'),
  },
  queued: {
    ...absent,
    ...each(['start', 'restart'], go('starting', [...wanted, 'launch'])),
    ...each(['stop', 'kill'], go('stopped', ['desire-stopped'], 'stopped')),
    autostart: stay,
    ...each(['shutdown', 'shutdown-deadline'], go('stopped', [], 'shutdown')),
    halt: go('stopped', [], 'updating'),
    ...each(['adopted', 'adopted-suspended'], 'impossible'),
    due: go('starting', ['launch']),
  },
  running: {
    start: { actions: wanted },
    stop: go('stopping', ['desire-stopped', ...ask], 'stopped'),
    kill: go('stopping', ['desire-stopped', ...kill], 'killed'),
    suspend: go('suspended', ['pause']),
    resume: stay,
    restart: go('restarting', [...wanted, ...ask], 'stopped'),
    autostart: stay,
    shutdown: go('stopping', ask, 'shutdown'),
    'shutdown-deadline': go('stopping', kill, 'shutdown'),
    halt: go('stopping', ask, 'updating'),
    ...each(['held', 'queue', 'adopted', 'adopted-suspended', 'started'], 'impossible'),
    ...endedByPolicy,
    unhealthy: go('ailing', ask, 'unhealthy'),
    watchdog: go('ailing', ask, 'watchdog'),
    // Not asked: until it has ended it could go on writing.
    overfull: go('ailing', kill, 'data-full'),
    ...each(['due', 'stop-timeout', 'kill-timeout'], 'impossible'),
    'pause-failed': stay,
    'resume-failed': go('suspended'),
  },
  suspended: {
    start: go('running', [...wanted, 'thaw']),
    stop: go('stopping', ['desire-stopped', ...askFrozen], 'stopped'),
    kill: go('stopping', ['desire-stopped', ...kill], 'killed'),
    suspend: stay,
    resume: go('running', ['thaw']),
    restart: go('restarting', [...wanted, ...askFrozen], 'stopped'),
    autostart: stay,
    shutdown: go('stopping', askFrozen, 'shutdown'),
    'shutdown-deadline': go('stopping', kill, 'shutdown'),
    halt: go('stopping', askFrozen, 'updating'),
    ...each(['held', 'queue', 'adopted', 'adopted-suspended', 'started'], 'impossible'),
    ...endedByPolicy,
    ...each(['unhealthy', 'watchdog', 'overfull', 'due', 'stop-timeout', 'kill-timeout'], 'impossible'),
    'pause-failed': go('running'),
    'resume-failed': stay,
  },
  stopping: {
    ...leaving,
    stop: { actions: ['desire-stopped'] },
    // An update was given up before what it stopped had ended.
    autostart: go('restarting'),
    ...each(['shutdown', 'halt'], stay),
    ...ended(go('stopped', ['disarm'])),
  },
  restarting: {
    ...leaving,
    stop: go('stopping', ['desire-stopped'], 'stopped'),
    shutdown: go('stopping', [], 'shutdown'),
    halt: go('stopping', [], 'updating'),
    ...ended(go('starting', ['disarm', 'launch'])),
  },
  ailing: {
    ...leaving,
    stop: go('stopping', ['desire-stopped'], 'stopped'),
    shutdown: go('stopping', [], 'shutdown'),
    halt: go('stopping', [], 'updating'),
    // It is still what ailed it that the policy judges.
    'stop-timeout': { actions: kill },
    ...endedByPolicy,
  },
  backoff: {
    ...absent,
    ...each(['start', 'restart'], go('starting', [...wanted, 'disarm', 'launch'])),
    ...each(['stop', 'kill'], go('stopped', ['desire-stopped', 'disarm'], 'stopped')),
    autostart: stay,
    ...each(['shutdown', 'shutdown-deadline'], go('stopped', ['disarm'], 'shutdown')),
    halt: go('stopped', ['disarm'], 'updating'),
    ...each(['adopted', 'adopted-suspended'], 'impossible'),
    due: go('starting', ['count-restart', 'launch']),
  },
  failed: {
    ...absent,
    ...each(['start', 'restart'], go('starting', [...wanted, 'launch'])),
    ...each(['stop', 'kill'], go('stopped', ['desire-stopped'], 'stopped')),
    ...each(['autostart', 'shutdown', 'shutdown-deadline', 'halt'], stay),
    ...each(['adopted', 'adopted-suspended', 'due'], 'impossible'),
  },
};

/** The phases in which the restart policy decides what follows an end. */
export function obeysPolicy(phase: Phase): boolean {
  return phase !== 'stopping' && phase !== 'restarting';
}

/** The machine as a Markdown table for `docs/`: a line for each event, a column for each phase. */
export function describeMachine(): string {
  const columns = Object.keys(phases) as Phase[];
  const rows = (Object.keys(machineEvents) as MachineEvent[]).map((event) =>
    line([machineEvents[event], ...columns.map((phase) => describeCell(machine[phase][event]))]),
  );
  return [line(['event', ...columns]), line(Array.from({ length: columns.length + 1 }, () => '---')), ...rows, ''].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function describeCell(cell: Cell): string {
  if (cell === 'impossible') return '';
  if (cell === 'refused') return 'refused';
  return cell.to ?? '·';
}
