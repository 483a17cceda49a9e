import type { Argument, InterfaceContract } from './contract.ts';

const doctype = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
`;

/** A node with its interfaces and children (D-Bus specification, "Introspection Data Format"). */
export function printNode(interfaces: readonly InterfaceContract[], children: readonly string[] = []): string {
  const parts = [...interfaces.flatMap(printInterface), ...children.map((name) => `  <node name="${name}"/>`)];
  return `${doctype}<node>\n${parts.join('\n')}\n</node>\n`;
}

function printInterface({ name, doc, methods, signals = {}, properties = {} }: InterfaceContract): readonly string[] {
  const members = [
    ...Object.entries(methods).flatMap(([member, method]) =>
      printElement('method', ` name="${member}"`, [...printArguments(method.in, 'in'), ...printArguments(method.out, 'out'), ...printDoc(method.doc)]),
    ),
    ...Object.entries(signals).flatMap(([member, args]) => printElement('signal', ` name="${member}"`, printArguments(args))),
    ...Object.entries(properties).flatMap(([member, { type, emits, doc: about }]) =>
      printElement('property', ` name="${member}" type="${type}" access="read"`, [
        ...(emits === 'true' ? [] : [printAnnotation('org.freedesktop.DBus.Property.EmitsChangedSignal', emits)]),
        ...printDoc(about),
      ]),
    ),
  ];
  return printElement('interface', ` name="${name}"`, [...printDoc(doc), ...members]).map(indent);
}

function printElement(tag: string, attributes: string, content: readonly string[]): readonly string[] {
  return content.length === 0 ? [`<${tag}${attributes}/>`] : [`<${tag}${attributes}>`, ...content.map(indent), `</${tag}>`];
}

function printArguments(args: readonly Argument[] = [], direction?: 'in' | 'out'): readonly string[] {
  const attribute = direction === undefined ? '' : ` direction="${direction}"`;
  return args.map(({ name, type }) => `<arg name="${name}" type="${type}"${attribute}/>`);
}

/** The annotation for documentation that GLib's tools know. */
function printDoc(doc: string | undefined): readonly string[] {
  return doc === undefined ? [] : [printAnnotation('org.gtk.GDBus.DocString', doc)];
}

function printAnnotation(name: string, value: string): string {
  return `<annotation name="${name}" value="${value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')}"/>`;
}

function indent(line: string): string {
  return `  ${line}`;
}
