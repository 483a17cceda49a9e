import type { Command } from './command.ts';
import { authorityCommand } from './commands/authority.ts';
import { build } from './commands/build.ts';
import { completionCommand } from './commands/completion.ts';
import { controls } from './commands/control.ts';
import { devices } from './commands/devices.ts';
import { dialStdio } from './commands/dial-stdio.ts';
import { doctor } from './commands/doctor.ts';
import { events } from './commands/events.ts';
import { exec } from './commands/exec.ts';
import { factory } from './commands/factory.ts';
import { helpCommand } from './commands/help.ts';
import { images } from './commands/images.ts';
import { importImage } from './commands/import.ts';
import { inspect } from './commands/inspect.ts';
import { install } from './commands/install.ts';
import { keygen } from './commands/keygen.ts';
import { logs } from './commands/logs.ts';
import { policy } from './commands/policy.ts';
import { ps } from './commands/ps.ts';
import { remove } from './commands/remove.ts';
import { show } from './commands/show.ts';
import { shutdownApps } from './commands/shutdown-apps.ts';
import { sign } from './commands/sign.ts';
import { stats } from './commands/stats.ts';
import { storage } from './commands/storage.ts';
import { updates } from './commands/updates.ts';
import { verdicts } from './commands/verdict.ts';
import { verify } from './commands/verify.ts';
import { version } from './commands/version.ts';

/** All commands, in the order of help and manual. */
export const commands: readonly Command[] = [
  build,
  inspect,
  importImage,
  keygen,
  sign,
  verify,
  install,
  updates,
  ...verdicts,
  remove,
  ps,
  show,
  ...controls,
  logs,
  stats,
  events,
  exec,
  images,
  storage,
  devices,
  authorityCommand,
  factory,
  policy,
  doctor,
  version,
  completionCommand(() => commands),
  helpCommand(() => commands),
  dialStdio,
  shutdownApps,
];
