import { toJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { parseSize } from '../lib/units.ts';
import { parseDepends } from './control.ts';
import { annotations } from './settings.ts';
import { checkVersion } from './version.ts';

/**
 * The schema of `berth.yaml`. Every scalar is read as the text that stands in the file (`1.10` stays `1.10`, `no` is
 * not false); what must be a number is turned into one here.
 */

type Check = (text: string, field: string) => unknown;

/** Text for which `check` does not throw; its message, without the field that it names, becomes the issue. */
function checked(check: Check): v.GenericSchema<string, string> {
  return v.pipe(
    v.string('must be text'),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      try {
        check(dataset.value, field);
      } catch (error) {
        addIssue({ message: (error as Error).message.replace(`${field}: `, '').replace(/^control: /, '') });
      }
    }),
  );
}

/** Stands for the field in the messages of checks that name one; the recipe's own path replaces it. */
const field = '\u0000';

/** Text that is turned into something else by `read`, which may throw. */
function read<T>(parse: (text: string, field: string) => T): v.GenericSchema<string, T> {
  return v.pipe(checked(parse), v.transform((text) => parse(text, field)));
}

/** One value of a setting of `settings.ts`; of a setting that is a list, one item. */
function setting(entry: { readonly parse: Check }): v.GenericSchema<string, string> {
  return checked((text, name) => {
    const value = entry.parse(text, name);
    if (Array.isArray(value) && value.length !== 1) throw new Error(`"${text}" must be one item without a comma`);
  });
}

function matching(expression: RegExp, expected: string): v.GenericSchema<string, string> {
  return v.pipe(v.string('must be text'), v.regex(expression, (issue) => `"${issue.input}" is not ${expected}`));
}

function list<T>(item: v.GenericSchema<string, T>): v.GenericSchema<string[], T[]> {
  return v.array(item, 'must be a list');
}

const text = v.pipe(v.string('must be text'), v.check((value) => !value.includes('\u0000'), 'must not hold a zero byte'));
const line = v.pipe(text, v.check((value) => !value.includes('\n'), 'must be a single line'), v.nonEmpty('must not be empty'));
const command = v.pipe(v.array(text, 'must be a list: the program, then its arguments'), v.minLength(1, 'must name a program'));
const absolutePath = matching(/^(\/|(\/(?!\.{1,2}(\/|$))[^/\0\n]+)+)$/, 'an absolute path without . or ..');
const wholeNumber = (expected: string): v.GenericSchema<string, number> => v.pipe(matching(/^[1-9]\d{0,8}$/, expected), v.transform(Number));

const owner = v.pipe(
  matching(/^\d{1,9}(:\d{1,9})?$/, 'a numeric user, or user:group'),
  v.transform((value) => {
    const [uid, gid] = value.split(':').map(Number);
    return { uid: uid!, gid: gid ?? uid! };
  }),
);

const mode = v.pipe(
  matching(/^0?[0-7]{3,4}$/, 'an octal mode such as 0755'),
  v.transform((value) => Number.parseInt(value, 8)),
  v.maxValue(0o1777, 'set-id bits are not allowed'),
);

const file = v.strictObject(
  {
    from: v.pipe(line, v.description('File, folder or glob pattern on this machine, relative to the folder of berth.yaml')),
    to: v.pipe(matching(/^(\/(?!\.{1,2}(\/|$))[^/\0\n]+)*\/?$/, 'an absolute path without . or ..'), v.nonEmpty('must not be empty'), v.description('Path in the container; with a slash at its end, a folder to put it into')),
    mode: v.optional(mode),
    owner: v.optional(owner),
  },
  'must have from and to',
);

const health = v.strictObject(
  {
    command,
    interval: v.optional(setting(annotations.healthInterval)),
    timeout: v.optional(setting(annotations.healthTimeout)),
    retries: v.optional(setting(annotations.healthRetries)),
    'start-period': v.optional(setting(annotations.healthStartPeriod)),
  },
  'must have command',
);

const trial = v.strictObject(
  {
    uptime: v.optional(setting(annotations.trialUptime)),
    deadline: v.optional(setting(annotations.trialDeadline)),
    confirm: v.optional(setting(annotations.trialConfirm)),
  },
  'must have some of uptime, deadline, confirm',
);

const network = v.strictObject(
  {
    mode: setting(annotations.network),
    ports: v.optional(list(setting(annotations.networkPorts))),
    outbound: v.optional(list(setting(annotations.networkOutbound))),
    bandwidth: v.optional(
      v.strictObject({ in: v.optional(setting(annotations.networkBandwidthIn)), out: v.optional(setting(annotations.networkBandwidthOut)) }, 'must have in or out'),
    ),
  },
  'must have mode',
);

const limits = v.strictObject(
  {
    memory: v.optional(read(parseSize)),
    pids: v.optional(wholeNumber('a whole number of processes')),
    data: v.optional(setting(annotations.dataSize)),
    cpus: v.optional(v.pipe(matching(/^\d{1,4}(\.\d{1,3})?$/, 'a number of processors such as 0.5'), v.transform(Number), v.minValue(0.01, 'must be at least 0.01'))),
  },
  'must have some of memory, pids, cpus, data',
);

const run = v.strictObject(
  {
    command,
    env: v.optional(v.record(matching(/^[A-Za-z_][A-Za-z0-9_.-]*$/, 'the name of a variable'), text, 'must be a map of names to values'), {}),
    cwd: v.optional(absolutePath, '/'),
    user: v.optional(owner, '0'),
    hostname: v.optional(matching(/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/, 'a host name')),
    restart: v.optional(setting(annotations.restart)),
    'restart-delay': v.optional(setting(annotations.restartDelay)),
    'restart-delay-max': v.optional(setting(annotations.restartDelayMax)),
    'restart-reset': v.optional(setting(annotations.restartReset)),
    'restart-limit': v.optional(setting(annotations.restartLimit)),
    'restart-window': v.optional(setting(annotations.restartWindow)),
    stop: v.optional(
      v.strictObject({ signal: v.optional(setting(annotations.stopSignal)), timeout: v.optional(setting(annotations.stopTimeout)) }, 'must have signal or timeout'),
    ),
    health: v.optional(health),
    'start-after': v.optional(list(setting(annotations.startAfter))),
    data: v.optional(list(setting(annotations.data)), []),
    exports: v.optional(list(setting(annotations.exports))),
    imports: v.optional(list(setting(annotations.imports))),
    trial: v.optional(trial),
    defer: v.optional(setting(annotations.defer)),
    watchdog: v.optional(setting(annotations.watchdog)),
    migrate: v.optional(v.strictObject({ command, timeout: v.optional(setting(annotations.migrateTimeout)) }, 'must have command')),
    network: v.optional(network),
    volumes: v.optional(
      v.strictObject({ share: v.optional(list(setting(annotations.volumesShare))), use: v.optional(list(setting(annotations.volumesUse))) }, 'must have share or use'),
    ),
    bus: v.optional(v.strictObject({ talk: v.optional(list(setting(annotations.busTalk))), own: v.optional(list(setting(annotations.busOwn))) }, 'must have talk or own')),
    limits: v.optional(limits, {}),
    capabilities: v.optional(list(matching(/^CAP_[A-Z_]+$/, 'the name of a capability such as CAP_NET_BIND_SERVICE')), []),
    tmpfs: v.optional(v.record(absolutePath, read(parseSize), 'must be a map of paths to sizes'), {}),
  },
  'must have command',
);

const depends = checked((value) => {
  if (value.includes(',')) throw new Error('write one dependency a line');
  if (parseDepends(value).length === 0) throw new Error('must not be empty');
});

export const recipeSchema = v.pipe(
  v.strictObject(
    {
      name: v.pipe(matching(/^[a-z0-9][a-z0-9.+-]*$/, 'a package name (small letters, digits, and . + - after the first)'), v.check((value) => !value.includes('..'), 'must not hold ..')),
      version: checked(checkVersion),
      architecture: v.optional(matching(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'the name of an architecture')),
      description: v.optional(text),
      maintainer: v.optional(line),
      depends: v.optional(list(depends), []),
      rootfs: v.optional(line),
      files: v.optional(v.array(file, 'must be a list'), []),
      run,
    },
    'must be a map with name, version and run',
  ),
  v.check((recipe) => recipe.rootfs !== undefined || recipe.files.length > 0, 'there is nothing to pack: give rootfs, files, or both'),
);

/** A `berth.yaml` as read: sizes in bytes, modes and owners as numbers, durations as they were written. */
export type Recipe = v.InferOutput<typeof recipeSchema>;

/** JSON Schema (draft 7) of `berth.yaml` for editors. */
export function recipeJsonSchema(): object {
  // Checks by a function, and what values are turned into, have no place in JSON Schema.
  return withPlainScalars(toJsonSchema(recipeSchema, { errorMode: 'ignore', typeMode: 'input' })) as object;
}

/** What is text here, other readers of YAML take for a number or a truth value where it looks like one. */
function withPlainScalars(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withPlainScalars);
  if (schema === null || typeof schema !== 'object') return schema;
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, key === 'type' && value === 'string' ? ['string', 'number', 'boolean'] : withPlainScalars(value)]));
}
