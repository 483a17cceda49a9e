import * as v from 'valibot';
import { errorTable, type ErrorCode } from '../lib/errors.ts';
import { networkModes } from '../lib/network.ts';
import { eventTypes, reasonCodes } from '../lifecycle/index.ts';

/**
 * Every document of the native API, declared once: answers are typed by it, requests are checked by it, and the
 * OpenAPI document prints it. Times are milliseconds since 1970, sizes are bytes.
 */
export const time = v.pipe(v.number(), v.integer(), v.description('milliseconds since 1970'));
export const bytes = v.pipe(v.number(), v.integer(), v.description('bytes'));
export const count = v.pipe(v.number(), v.integer());
export const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));

/** The authority that vouches for an image. */
export const authority = v.exactOptional(v.pipe(v.string(), v.description('authority that vouches for it; absent if it is unsigned')));

const signer = v.object({
  authority: v.string(),
  subject: v.pipe(v.string(), v.description('of the certificate')),
  fingerprint: v.pipe(v.string(), v.description('SHA-256 of the certificate, hexadecimal')),
  algorithm: v.picklist(['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'rsa-pss', 'ml-dsa-65']),
  signedAt: v.exactOptional(v.pipe(time, v.description('as the signer claims; milliseconds since 1970'))),
  expiresAt: v.pipe(time, v.description('when the certificate expires; milliseconds since 1970')),
});

const reason = v.object({
  code: v.picklist(reasonCodes),
  message: v.string(),
  at: time,
});

const lastExit = v.object({
  id: v.string(),
  app: v.string(),
  at: time,
  exitCode: v.exactOptional(count),
  signal: v.exactOptional(v.string()),
  oom: v.boolean(),
  cause: v.picklist(['ended', 'monitor-lost', 'lost']),
  reason,
});

export const decision = v.object({
  path: v.pipe(v.string(), v.description('JSON path in config.json')),
  asked: v.pipe(v.unknown(), v.description('cut where it is long')),
  granted: v.exactOptional(v.pipe(v.unknown(), v.description('what the app gets instead, or at all; absent: nothing'))),
  verdict: v.pipe(v.picklist(['granted', 'degraded', 'refused']), v.description('degraded: less than asked, which the policy tolerates')),
  why: v.exactOptional(v.string()),
});

export const policyReport = v.object({
  app: v.string(),
  origin: v.pipe(v.string(), v.description('whence its rights are, for people')),
  decisions: v.array(decision),
  refused: v.pipe(count, v.description('fields that are refused: with any, the package is')),
});

const network = v.object({
  mode: v.picklist(networkModes),
  addresses: v.pipe(v.array(v.string()), v.description('on the bridge, with the length of their networks')),
  ports: v.pipe(v.array(v.string()), v.description('8080:80/tcp: port of the device, port of the app')),
  outbound: v.exactOptional(v.pipe(v.array(v.string()), v.description('where it may connect to; absent: the public internet, or with host everywhere'))),
  bandwidth: v.exactOptional(v.object({ in: v.exactOptional(count), out: v.exactOptional(count) })),
});

const access = v.picklist(['r', 'w', 'rw']);

const lease = v.object({
  device: v.string(),
  app: v.string(),
  path: v.pipe(v.string(), v.description('in the container')),
  access,
  present: v.pipe(v.boolean(), v.description('the device is there')),
});

export const app = v.object({
  name: v.string(),
  version: v.string(),
  digest,
  signed: v.boolean(),
  authority,
  description: v.string(),
  state: v.picklist(['stopped', 'starting', 'running', 'suspended', 'stopping', 'backoff', 'failed']),
  desired: v.picklist(['running', 'stopped']),
  health: v.picklist(['none', 'starting', 'healthy', 'unhealthy']),
  instance: v.exactOptional(v.object({ id: v.string(), pid: count, startedAt: time })),
  restarts: v.pipe(count, v.description('by the supervisor, since a person last started the app')),
  nextStartAt: v.exactOptional(time),
  lastExit: v.exactOptional(lastExit),
  reason: v.exactOptional(reason),
  watchdogMs: v.exactOptional(v.pipe(count, v.description('it must say at least this often that it lives'))),
  hostUser: v.exactOptional(v.pipe(count, v.description('user of the host that is root in the app'))),
  data: v.exactOptional(v.pipe(v.object({ usedBytes: v.exactOptional(bytes), limitBytes: v.exactOptional(bytes) }), v.description('what its data takes of the disk, as last measured, and may take'))),
  network: v.exactOptional(v.pipe(network, v.description('absent for an app without one'))),
  devices: v.exactOptional(v.pipe(v.array(lease), v.description('that it has; absent if it has none'))),
  degraded: v.pipe(v.array(decision), v.description('what config.json asks for and the app gets less of')),
});

export const apps = v.object({ apps: v.array(app) });

export const figures = v.object({
  at: time,
  figures: v.array(
    v.object({
      name: v.string(),
      at: time,
      cpuNs: v.pipe(v.number(), v.description('processor time used, in nanoseconds')),
      memoryBytes: bytes,
      memoryLimitBytes: v.exactOptional(bytes),
      processes: count,
      restarts: count,
    }),
  ),
});

export const logLine = v.object({
  time: v.pipe(v.string(), v.description('RFC 3339 with nanoseconds')),
  stream: v.picklist(['stdout', 'stderr', 'berth']),
  text: v.string(),
  partial: v.pipe(v.boolean(), v.description('the line goes on in the next one')),
});

export const event = v.object({
  seq: count,
  at: time,
  type: v.picklist(eventTypes),
  app: v.exactOptional(v.string()),
  message: v.string(),
  detail: v.exactOptional(v.unknown()),
});

export const errorCode = v.picklist(Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]);

export const error = v.object({
  error: v.object({ code: errorCode, message: v.string(), detail: v.exactOptional(v.unknown()) }),
});

export const removed = v.object({ removed: v.string(), purged: v.boolean() });

export const images = v.object({
  images: v.array(
    v.object({
      digest,
      package: v.string(),
      version: v.string(),
      architecture: v.string(),
      depends: v.string(),
      description: v.string(),
      bytes,
      entries: count,
      signed: v.boolean(),
      authority,
      signers: v.array(signer),
      addedAt: time,
      apps: v.pipe(v.array(v.string()), v.description('apps whose current image this is')),
    }),
  ),
});

export const devices = v.object({
  devices: v.array(
    v.object({
      name: v.string(),
      description: v.string(),
      place: v.pipe(v.string(), v.description('path, link, or class and pattern')),
      sharing: v.picklist(['exclusive', 'shared']),
      busy: v.pipe(v.picklist(['wait', 'fail']), v.description('what a second app does that asks for it')),
      platform: v.pipe(v.boolean(), v.description('never lent')),
      nodes: v.pipe(v.array(v.object({ name: v.string(), number: v.string() })), v.description('what is there, such as ttyUSB0 and c 188:0')),
      fault: v.exactOptional(v.pipe(v.string(), v.description('why nobody gets it although it may be there'))),
      holders: v.array(v.object({ app: v.string(), path: v.string(), access })),
      waiting: v.pipe(v.array(v.string()), v.description('apps that wait for it, the first one first')),
    }),
  ),
});

export const doctor = v.object({
  checks: v.array(
    v.object({
      name: v.string(),
      outcome: v.picklist(['ok', 'warning', 'failure']),
      found: v.string(),
      advice: v.exactOptional(v.string()),
    }),
  ),
});

export const version = v.object({
  version: v.pipe(v.string(), v.description('of berthd')),
  api: v.literal('v1'),
  runtime: v.pipe(v.string(), v.description('the OCI runtime in use')),
  node: v.string(),
  kernel: v.string(),
  architecture: v.string(),
});

export const execRequest = v.strictObject({
  command: v.pipe(v.array(v.string()), v.minLength(1)),
  env: v.exactOptional(v.pipe(v.array(v.pipe(v.string(), v.regex(/^[^=]+=/))), v.description('NAME=value; in place of the app\'s own'))),
  cwd: v.exactOptional(v.pipe(v.string(), v.startsWith('/'))),
  user: v.exactOptional(
    v.strictObject({
      uid: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_fffe)),
      gid: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_fffe)),
    }),
  ),
});
