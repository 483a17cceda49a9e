import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiPrefix } from './dispatch.ts';
import { serveFakes } from './harness.ts';
import { routes } from './routes/index.ts';

interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean; readonly schema: { readonly type: string } }[];
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: unknown }>>;
}

async function served(): Promise<OpenApi> {
  await using berth = await serveFakes();
  const reply = await berth.request('GET', '/openapi.json');
  assert.equal(reply.status, 200);
  return JSON.parse(reply.text) as OpenApi;
}

test('the document lists exactly the routes that are served', async () => {
  const { paths } = await served();
  const listed = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
  const declared = routes.map((route) => `${route.method} ${apiPrefix}${route.path}`);
  assert.deepEqual(listed.toSorted(), declared.toSorted());
});

test('the document has the shape of OpenAPI 3.1', async () => {
  const document = await served();
  assert.equal(document.openapi, '3.1.0');
  const ids = new Set<string>();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const operation of Object.values(methods)) {
      assert.ok(!ids.has(operation.operationId), operation.operationId);
      ids.add(operation.operationId);
      const inPath = operation.parameters.filter((parameter) => parameter.in === 'path');
      assert.deepEqual(inPath.map(({ name, required }) => [name, required]), [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, true]));
      for (const parameter of operation.parameters) assert.ok(parameter.schema.type, `${path} ${parameter.name}`);
      assert.ok(operation.responses['default'] !== undefined && Object.keys(operation.responses).length === 2, path);
      for (const response of Object.values(operation.responses)) assert.equal(typeof response.description, 'string');
    }
  }
});

test('every reference in the document leads somewhere, and every schema is used', async () => {
  const document = await served();
  const references = new Set([...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference!));
  const expected = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
  assert.deepEqual([...references].toSorted(), expected.toSorted());
});
