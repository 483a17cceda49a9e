import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inOrder, type OrderedApp, Slots, startOrder, stopOrder } from './order.ts';

function apps(graph: Readonly<Record<string, readonly string[]>>): OrderedApp[] {
  return Object.entries(graph).map(([name, after]) => ({ name, after }));
}

test('an app comes after those it waits for; names that are not installed do not matter', () => {
  const order = startOrder(apps({ client: ['broker', 'libc'], broker: ['base'], base: [] }));
  assert.deepEqual(order.names, ['base', 'broker', 'client']);
  assert.deepEqual(order.after.get('client'), ['broker']);
  assert.deepEqual(order.warnings, []);
});

test('a cycle is broken at the same place however the list is sorted, and told', () => {
  const graph = apps({ c: ['b'], a: ['c'], b: ['a', 'd'], d: [] });
  for (const list of [graph, graph.toReversed()]) {
    const order = startOrder(list);
    assert.deepEqual(order.names, ['d', 'b', 'c', 'a']);
    assert.deepEqual(order.warnings, [{ app: 'b', message: 'apps wait for each other (a → c → b → a); b does not wait for a', members: ['a', 'c', 'b', 'a'] }]);
  }
});

test('an app that names itself does not wait for itself', () => {
  assert.deepEqual(startOrder(apps({ a: ['a'] })), { names: ['a'], after: new Map([['a', []]]), warnings: [] });
});

test('the order of stop is the reverse', () => {
  const order = stopOrder(startOrder(apps({ client: ['broker'], other: ['broker'], broker: [] })));
  assert.deepEqual(order.names.at(-1), 'broker');
  assert.deepEqual(order.after.get('broker')!.toSorted(), ['client', 'other']);
});

test('for any graph: every app once, after all that it still waits for', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  fc.assert(
    fc.property(fc.dictionary(name, fc.array(name)), (graph) => {
      const list = apps(graph);
      const order = startOrder(list);
      assert.deepEqual(order, startOrder(list.toReversed()));
      assert.deepEqual(order.names.toSorted(), Object.keys(graph).toSorted());
      for (const [app, others] of order.after) {
        for (const other of others) assert.ok(order.names.indexOf(other) < order.names.indexOf(app));
      }
      const wanted = list.flatMap(({ name, after }) => [...new Set(after)].filter((other) => other !== name && graph[other] !== undefined));
      const kept = [...order.after.values()].flat();
      assert.equal(kept.length + order.warnings.length, wanted.length, 'only what closes a cycle is left out');
    }),
  );
});

test('work is given what came of those before it, and what is not ordered runs side by side', async () => {
  const begun: string[] = [];
  const gates = new Map<string, () => void>();
  const all = inOrder<string>(startOrder(apps({ a: [], b: ['a'], c: [] })), async (name, before) => {
    begun.push(`${name}(${[...before.values()].join()})`);
    await new Promise<void>((resolve) => gates.set(name, resolve));
    return name.toUpperCase();
  });
  await Promise.resolve();
  assert.deepEqual(begun, ['a()', 'c()']);
  gates.get('a')!();
  await new Promise(setImmediate);
  assert.deepEqual(begun, ['a()', 'c()', 'b(A)']);
  gates.get('b')!();
  gates.get('c')!();
  await all;
});

test('slots let so many run at a time, also when work fails', async () => {
  const slots = new Slots(2);
  let now = 0;
  let most = 0;
  const results = await Promise.allSettled(
    Array.from({ length: 9 }, async (_, index) =>
      slots.use(async () => {
        now += 1;
        most = Math.max(most, now);
        await new Promise(setImmediate);
        now -= 1;
        if (index % 3 === 0) throw new Error('no');
      }),
    ),
  );
  assert.equal(most, 2);
  assert.equal(results.filter(({ status }) => status === 'rejected').length, 3);
});
