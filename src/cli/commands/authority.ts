import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { replaceFileSync } from '../../lib/durable.ts';
import { BerthError } from '../../lib/errors.ts';
import type { AppStatus } from '../../lifecycle/index.ts';
import type { AuthorityStatus, RecallsTaken } from '../../update/index.ts';
import { usage } from '../arguments.ts';
import type { Command, Context, Given } from '../command.ts';
import { formatTime } from '../format.ts';
import { openPayload } from '../payload.ts';
import { render, span, type Span } from '../style.ts';
import { renderTable, type Surface } from '../table.ts';

/** Where authorities are unless berthd.yaml says otherwise. */
const defaultDirectory = '/etc/berth/authorities.d';

/** The table of `berth authority list`. */
export function renderAuthorities(authorities: readonly AuthorityStatus[], surface: Surface): string {
  if (authorities.length === 0) return 'This device knows no authorities; `berth authority add FILE` adds one.\n';
  const none = span('-', 'dim');
  const listed = (names: readonly string[]): Span => (names.length === 0 ? none : span(names.join(', ')));
  const rows = authorities.map(({ name, patterns, until, expiresAt, apps, fault }) => [
    span(name, 'bold'),
    listed(patterns),
    until === undefined ? none : span(formatTime(until)),
    expiresAt === undefined ? none : span(formatTime(expiresAt)),
    listed(apps),
    fault === undefined ? span('good', 'green') : span(fault, 'red'),
  ]);
  const columns = [{ title: 'AUTHORITY', least: 9 }, { title: 'MAY SIGN', least: 10 }, { title: 'UNTIL' }, { title: 'CERTIFICATE UNTIL' }, { title: 'APPS', least: 10 }, { title: 'FILE', least: 12 }];
  return renderTable(columns, rows, surface);
}

async function list({ client, result, colour, width }: Context): Promise<void> {
  const document = await client.request<{ authorities: readonly AuthorityStatus[] }>('GET', '/authorities');
  await result(document, () => renderAuthorities(document.authorities, { colour, width }));
}

/** Reads the file of an authority as a device would. @throws BerthError what is wrong with it */
async function read(file: string): Promise<{ readonly name: string; readonly apps: readonly string[]; readonly files: readonly string[] }> {
  if (!file.endsWith('.yaml')) throw new BerthError('usage', `${file}: the file of an authority is named <authority>.yaml`);
  const [{ readAuthorities }, { boundOf }, { parse }] = await Promise.all([import('../../trust/index.ts'), import('../../policy/index.ts'), import('yaml')]);
  const name = basename(file, '.yaml');
  const { authorities, faults } = await readAuthorities(dirname(file));
  const fault = faults.find((one) => one.name === name);
  if (fault !== undefined) throw new BerthError('usage', fault.message);
  const authority = authorities.find((one) => one.name === name);
  if (authority === undefined) throw new BerthError('not_found', `there is no file ${file}`);
  // Nothing would be installed of one whose bound cannot be read.
  boundOf(name, authorities);
  const { certificate, certificates = [], crls = [] } = parse(await readFile(file, 'utf8')) as { certificate?: string; certificates?: string[]; crls?: string[] };
  return { name, apps: authority.apps, files: [...(certificate === undefined ? certificates : [certificate]), ...crls] };
}

async function check({ result, colour }: Context, file: string): Promise<void> {
  const { name, apps } = await read(file);
  await result({ authority: name, patterns: apps }, () => `${render(span(`${file} is good: authority ${name} may sign ${apps.join(', ') || 'no apps'}`, 'green'), colour)}\n`);
}

async function add({ result, colour }: Context, { values }: Given, file: string): Promise<void> {
  const { name, apps, files } = await read(file);
  const directory = values.get('into') ?? defaultDirectory;
  await mkdir(directory, { recursive: true });
  // What the file names first, so that a device never sees one without the other.
  for (const beside of files) {
    if (basename(beside) !== beside) throw new BerthError('usage', `${file} names ${beside}; only files beside it can be added with it`);
    replaceFileSync(join(directory, beside), await readFile(join(dirname(file), beside)));
  }
  replaceFileSync(join(directory, basename(file)), await readFile(file));
  await result({ authority: name, directory, patterns: apps }, () => `${render(span(`${directory} holds authority ${name}, which may sign ${apps.join(', ') || 'no apps'}; it counts from the next install on`, 'green'), colour)}\n`);
}

async function handOver({ client, result, colour }: Context, { flags }: Given, app: string, authority: string | undefined): Promise<void> {
  if (flags.has('unsigned') === (authority !== undefined)) throw usage('give either an authority or --unsigned: whom the app is handed over to', authorityCommand);
  const document = await client.request('POST', `/apps/${encodeURIComponent(app)}/hand-over`, { authority });
  const to = authority === undefined ? 'nobody: it takes whatever this device takes' : `authority ${authority}`;
  const { apps } = await client.request<{ apps: readonly AppStatus[] }>('GET', '/apps');
  const note = apps.some(({ name }) => name === app) ? '' : '; it is not installed now';
  await result(document, () => `${render(span(`${app} belongs to ${to}${note}`, 'yellow'), colour)}\n`);
}

async function recall({ client, io, result, colour }: Context, file: string): Promise<void> {
  const { body } = await openPayload(file, io);
  for await (const taken of client.upload<RecallsTaken>('/recalls', {}, 'application/pkcs7-mime', body)) {
    const { authority, sequence, recalls, foreign, isNew } = taken;
    const lines = [
      span(isNew ? `list ${sequence} of ${authority} recalls ${recalls === 1 ? '1 version' : `${recalls} versions`}; none of them runs` : `list ${sequence} of ${authority} was held already`, 'green'),
      ...(foreign.length === 0 ? [] : [span(`note: ${foreign.join(', ')} may not be signed by ${authority}, and what it says of them does not count`, 'yellow')]),
    ];
    await result(taken, () => lines.map((line) => `${render(line, colour)}\n`).join(''));
  }
}

async function forgetTime({ client, result, colour }: Context): Promise<void> {
  const document = await client.request<{ now: number; isKnown: boolean }>('POST', '/trusted-time/forget');
  const text = document.isKnown ? `signatures are judged by the clock again: ${formatTime(document.now)}` : `the clock is wrong: signatures are judged as if it were ${formatTime(document.now)} until it is set`;
  await result(document, () => `${render(span(text, 'yellow'), colour)}\n`);
}

/** What may be done, and what it takes. */
const forms: readonly { readonly name: string; readonly takes: string; readonly counts: readonly number[] }[] = [
  { name: 'list', takes: '', counts: [0] },
  { name: 'add', takes: 'FILE', counts: [1] },
  { name: 'check', takes: 'FILE', counts: [1] },
  { name: 'hand-over', takes: 'APP AUTHORITY, or APP --unsigned', counts: [1, 2] },
  { name: 'recall', takes: 'FILE', counts: [1] },
  { name: 'forget-time', takes: '', counts: [0] },
];

export const authorityCommand: Command = {
  name: 'authority',
  args: [
    { name: 'list|add|check|hand-over|recall|forget-time', kind: 'action' },
    { name: 'WHAT', optional: true, many: true, kind: 'file' },
  ],
  options: [
    { name: 'into', value: 'DIR', summary: `for add: the directory of authorities; default ${defaultDirectory}` },
    { name: 'unsigned', summary: 'for hand-over: the app belongs to nobody afterwards, and takes whatever the device takes' },
  ],
  summary: 'see who may sign apps, add authorities, hand apps over, take recalls',
  help: [
    'An authority is a certificate that may sign certain apps; docs/trust.md describes its file. An app belongs to the authority that signed it first, also when it was removed, and takes updates from that one only, or from one that the authority\'s file names as successor.',
    'list shows the authorities of the device, and what is wrong with their files. check FILE looks whether a device could use a file. add FILE copies it with its certificates into the directory of authorities on this machine, without berthd; it counts from the next install on.',
    'hand-over APP AUTHORITY lets an app move to another authority. recall FILE gives the device an authority\'s signed list of versions that must not run any more: what runs of it is stopped and stays down. forget-time is for a device whose clock once ran far ahead: certificates would be held for expired until that moment has come; afterwards they are judged by the clock of now.',
  ],
  examples: [
    { line: 'berth authority add acme.yaml', meaning: 'trust the authority acme on this machine' },
    { line: 'berth authority hand-over web globex', meaning: 'from now on globex signs web' },
    { line: 'berth --host ssh://root@gateway authority recall acme-recalls.p7s', meaning: 'stop what acme has recalled' },
  ],
  run: async (context, given) => {
    const [action, ...what] = given.args;
    const form = forms.find(({ name }) => name === action);
    if (form === undefined) throw usage(`there is no \`berth authority ${action}\`; there are ${forms.map(({ name }) => name).join(', ')}`, authorityCommand);
    if (!form.counts.includes(what.length)) throw usage(`it is \`berth authority ${[form.name, form.takes].join(' ').trim()}\``, authorityCommand);
    const [first = '', second] = what;
    if (action === 'list') await list(context);
    else if (action === 'add') await add(context, given, first);
    else if (action === 'check') await check(context, first);
    else if (action === 'hand-over') await handOver(context, given, first, second);
    else if (action === 'recall') await recall(context, first);
    else await forgetTime(context);
  },
};
