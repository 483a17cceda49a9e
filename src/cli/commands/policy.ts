import { statSync } from 'node:fs';
import { BerthError } from '../../lib/errors.ts';
import { openYaml } from '../../lib/yaml-file.ts';
import type { Decision, PolicyReport } from '../../policy/index.ts';
import { readAuthorities } from '../../trust/index.ts';
import { usage } from '../arguments.ts';
import type { Command, Context, Given } from '../command.ts';
import { none } from '../format.ts';
import { openPayload } from '../payload.ts';
import { render, span, type Span } from '../style.ts';
import { renderTable, type Surface } from '../table.ts';
import { judgeBy } from './verify.ts';

const colours = { granted: 'green', degraded: 'yellow', refused: 'red' } as const;

/** Most characters of a value in the table. */
const mostShown = 60;

/** The table of `berth policy check`, and what follows from it. */
export function renderPolicy({ app, origin, decisions, refused }: PolicyReport, surface: Surface): string {
  const value = (json: unknown): Span => {
    const text = typeof json === 'string' ? json : JSON.stringify(json);
    return span(text.length > mostShown ? `${text.slice(0, mostShown)}…` : text);
  };
  const row = ({ path, asked, granted, verdict, why = '' }: Decision): readonly Span[] =>
    [span(path), value(asked), granted === undefined ? none : value(granted), span(verdict, colours[verdict]), span(why)];
  const columns = [{ title: 'FIELD', least: 12 }, { title: 'ASKED', least: 8 }, { title: 'GRANTED', least: 8 }, { title: 'VERDICT' }, { title: 'WHY', least: 16 }];
  const line = (text: string): string => `${render(span(text), surface.colour)}\n`;
  const table = decisions.length === 0 ? line(`${app} asks for nothing beyond what every app has.`) : renderTable(columns, decisions.map(row), surface);
  const end = outcome(app, refused, decisions.filter(({ verdict }) => verdict === 'degraded').length);
  return `${table}\n${line(`${end} Its rights come from ${origin}.`)}`;
}

function outcome(app: string, refused: number, degraded: number): string {
  const fields = (count: number): string => (count === 1 ? 'one field' : `${count} fields`);
  if (refused > 0) return `${app} is refused for ${fields(refused)}.`;
  return degraded > 0 ? `${app} is taken, with less than it asks for in ${fields(degraded)}.` : `${app} is granted what it asks for.`;
}

/** A package on this machine, as far as its rights are concerned. */
async function readRequest(path: string, { io }: Context): Promise<{ readonly app: string; readonly config: string; readonly signed: boolean }> {
  const { body } = await openPayload(path, io);
  const { inspectPackage } = await import('../../image/index.ts');
  const document = await inspectPackage(body, { signal: io.signal });
  if (document.config === null) throw new BerthError('bad_package', `${document.package} holds no OCI bundle: config.json is missing`);
  return { app: document.package, config: JSON.stringify(document.config), signed: document.signatureBytes !== undefined };
}

/** Judges a package as a device with these files would. */
async function checkHere(path: string, context: Context, { values }: Given): Promise<PolicyReport> {
  const { boundOf, entitle, readPolicyRules } = await import('../../policy/index.ts');
  const { explain, readLaunch } = await import('../../lifecycle/index.ts');
  const { app, config } = await readRequest(path, context);
  const [policy, directory] = [values.get('policy'), values.get('authorities')];
  const rules = policy === undefined ? [] : readPolicyRules(policy, await openYaml());
  const { authorities } = directory === undefined ? { authorities: [] } : await readAuthorities(directory);
  const authority = directory === undefined ? undefined : await authorityOf(path, authorities, context);
  const subject = { app, signed: authority !== undefined, bound: boundOf(authority, authorities) };
  return explain(readLaunch(config), app, { entitlement: entitle({ rules, allowUnsigned: true }, subject), declared: [] });
}

async function authorityOf(path: string, authorities: Parameters<typeof judgeBy>[0], { io }: Context): Promise<string | undefined> {
  const { readSeal } = await import('../../image/index.ts');
  const seal = await readSeal(path);
  if (seal.signature === undefined) return undefined;
  const { vouched, reason } = await judgeBy(authorities, io.now(), seal);
  if (vouched === null) throw new BerthError('untrusted', reason ?? `nobody vouches for ${path}`);
  return vouched.authority;
}

async function check(subject: string, context: Context, given: Given): Promise<PolicyReport> {
  const { client } = context;
  // A folder with the name of an app is where that app is made.
  const isFile = subject === '-' || subject.includes('/') || subject.endsWith('.ipk') || statSync(subject, { throwIfNoEntry: false })?.isFile() === true;
  if (!isFile) return client.request<PolicyReport>('GET', `/apps/${encodeURIComponent(subject)}/policy`);
  if (!given.flags.has('device')) return checkHere(subject, context, given);
  return client.post<PolicyReport>('/policy/check', await readRequest(subject, context));
}

export const policy: Command = {
  name: 'policy',
  args: [
    { name: 'check', kind: 'action' },
    { name: 'PACKAGE|APP', kind: 'file' },
  ],
  options: [
    { name: 'policy', value: 'DIR', summary: 'rules of the device: a directory such as /etc/berth/policy.d; default none' },
    { name: 'authorities', value: 'DIR', summary: 'who may sign, and the bounds of each: a directory such as /etc/berth/authorities.d' },
    { name: 'device', summary: 'let the device judge the package, by the policy that it has' },
  ],
  summary: 'explain what a package asks for and what it is granted',
  help: [
    'Tells every field of a config.json that asks for something: what was asked, what is granted, and why not. A package is read here and judged by the given rules and authorities, without a device; with --device, by the policy of the device. An app that is installed is always judged by the device.',
    'Where the policy refuses a field, the device refuses the package with the same words, and the command ends with 1.',
  ],
  examples: [
    { line: 'berth policy check web.ipk --policy etc/policy.d', meaning: 'on a build machine' },
    { line: 'berth policy check web', meaning: 'the installed app web, by the policy of its device' },
  ],
  run: async (context, given) => {
    const [action, subject, ...more] = given.args;
    if (action !== 'check') throw usage(`there is no \`berth policy ${action}\`; there is \`berth policy check\``, policy);
    if (subject === undefined || more.length > 0) throw usage('one package or app has to be named', policy);
    const local = given.values.has('policy') || given.values.has('authorities');
    if (given.flags.has('device') && local) throw usage('--device judges by the files of the device; --policy and --authorities are for judging here', policy);
    const report = await check(subject, context, given);
    await context.result(report, () => renderPolicy(report, { colour: context.colour, width: context.width }));
    return report.refused === 0 ? 0 : 1;
  },
};
