import { BerthError } from '../../lib/errors.ts';
import { openYaml } from '../../lib/yaml-file.ts';
import { formatSize } from '../../lib/units.ts';
import type { PreloadReport } from '../../update/index.ts';
import { usage } from '../arguments.ts';
import type { Command, Context, Given } from '../command.ts';
import { describeDecision, shortDigest } from '../format.ts';
import { openPayload, type Payload } from '../payload.ts';
import { Progress } from '../progress.ts';
import { render, span, type Span } from '../style.ts';

/** What a preload did, for people. */
export function renderPreload({ root, installed, notes }: PreloadReport, colour: boolean): string {
  const spans: Span[] = installed.flatMap((app) => [
    span(`${app.app} ${app.version}${app.replaced === undefined ? '' : ` in place of ${app.replaced.version}`}: ${app.entries} entries, ${formatSize(app.bytes)}, ${shortDigest(app.digest)}${app.authority === undefined ? ', unsigned' : `, signed by ${app.authority}`}, ${app.start ? 'runs' : 'does not run'} from the first boot on`),
    ...app.warnings.map((warning) => span(`note: ${app.app}: ${warning}`, 'yellow')),
    ...app.degraded.map((decision) => span(`not granted: ${app.app}: ${describeDecision(decision)}`, 'yellow')),
  ]);
  spans.push(...notes.map((note) => span(`note: ${note}`, 'yellow')), span(`${root} holds ${installed.length === 1 ? 'it' : 'them'} ready to run`, 'green'));
  return spans.map((line) => `${render(line, colour)}\n`).join('');
}

async function preloadInto(root: string, context: Context, given: Given, files: readonly string[]): Promise<void> {
  const { io, json, result, colour } = context;
  // Only this command needs the store and all below it.
  const { architecturesWith, defaultLimits } = await import('../../image/index.ts');
  const { preload, readPlatform } = await import('../../update/index.ts');
  const { readPolicyRules } = await import('../../policy/index.ts');
  const [platform, policy, architecture, directory] = [given.values.get('platform'), given.values.get('policy'), given.values.get('arch'), given.values.get('authorities')];
  const { readAuthorities } = await import('../../trust/index.ts');
  const { authorities, faults } = directory === undefined ? { authorities: [], faults: [] } : await readAuthorities(directory);
  if (faults[0] !== undefined) throw new BerthError('usage', faults[0].message);
  const payloads: Payload[] = [];
  let progress: { readonly payload: number; readonly shown: Progress } | undefined;
  // What comes while a line is drawn is not drawn.
  let drawing: Promise<void> | undefined;
  try {
    for (const file of files) payloads.push(await openPayload(file, io));
    // What is made has the modes that the code says, whoever runs this.
    process.umask(0o022);
    const report = await preload({
      root,
      payloads: payloads.map(({ body }) => body),
      origin: payloads.map(({ label }) => label).join(', '),
      start: !given.flags.has('no-start'),
      architectures: architecturesWith(architecture),
      ...(platform === undefined ? {} : { platform: await readPlatform(platform) }),
      ...(policy === undefined ? {} : { rules: readPolicyRules(policy, await openYaml()) }),
      limits: defaultLimits,
      trust: { authorities, allowUnsigned: given.flags.has('allow-unsigned'), recalls: [], time: { now: io.now(), isKnown: true }, unknownTime: 'lenient' },
      now: timeOf(io.env['SOURCE_DATE_EPOCH']) ?? io.now(),
      signal: io.signal,
      onProgress: ({ payload, phase, bytes }) => {
        if (json || drawing !== undefined) return;
        if (progress?.payload !== payload) progress = { payload, shown: new Progress(io, payloads[payload]!.label, payloads[payload]!.bytes) };
        drawing = progress.shown.show({ phase, bytes }).finally(() => {
          drawing = undefined;
        });
      },
    });
    await drawing;
    await progress?.shown.clear();
    await result(report, () => renderPreload(report, colour));
  } finally {
    await drawing;
    for (const { body } of payloads) body.destroy();
  }
}

/** Milliseconds since 1970 of `SOURCE_DATE_EPOCH` (reproducible-builds.org), if it is set. */
function timeOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,11}$/.test(text)) throw new BerthError('usage', `SOURCE_DATE_EPOCH: "${text}" is not a number of seconds since 1970`);
  return Number(text) * 1000;
}

export const factory: Command = {
  name: 'factory',
  args: [
    { name: 'preload', kind: 'action' },
    { name: 'PAYLOAD', many: true, kind: 'file' },
  ],
  options: [
    { name: 'into', value: 'DIR', summary: 'the store: made, or extended if it is there' },
    { name: 'start', summary: 'run the apps from the first boot on (default)' },
    { name: 'no-start', summary: 'leave it to a person to start them' },
    { name: 'authorities', value: 'DIR', summary: 'who may sign the packages (authorities.d of the device); their apps belong to them from now on' },
    { name: 'allow-unsigned', summary: 'take packages that nobody has signed; for development' },
    { name: 'platform', value: 'DIR', summary: 'check dependencies against these declarations of platform services (platform.d)' },
    { name: 'policy', value: 'DIR', summary: 'check what the apps ask for against these rules of the device (policy.d)' },
    { name: 'arch', value: 'NAME', summary: 'architecture of the device, as packages name it; default this machine\'s' },
  ],
  summary: 'install apps into a store for a flash image, on the build machine',
  help: [
    'Makes a ready store with these apps installed and verified, without a daemon: put it into the flash image as /var/lib/berth, and the first berthd on the device starts them. All payloads are judged together, as a device would; if one is refused, the store stays as it was.',
    'Signatures are verified as on a device, by the authorities in --authorities.',
    'Files belong to the users that the packages say. So it needs root, or fakeroot or pseudo around it and around what makes the image.',
    'What a platform service must provide is checked with --platform, what apps ask for in their config.json with --policy, else told. SOURCE_DATE_EPOCH, if it is set, is the time that stands in the store.',
  ],
  examples: [{ line: 'fakeroot berth factory preload --into rootfs/var/lib/berth --authorities rootfs/etc/berth/authorities.d --arch arm64 broker.ipk web.ipk', meaning: 'a store for a device with arm64' }],
  run: async (context, given) => {
    const [action, ...files] = given.args;
    if (action !== 'preload') throw usage(`there is no \`berth factory ${action}\`; there is \`berth factory preload\``, factory);
    const into = given.values.get('into');
    if (into === undefined) throw usage('--into DIR is missing: where the store is to be', factory);
    if (given.flags.has('start') && given.flags.has('no-start')) throw usage('--start and --no-start exclude each other', factory);
    await preloadInto(into, context, given, files);
  },
};
