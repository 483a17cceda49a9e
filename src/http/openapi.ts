import { toJsonSchema, toJsonSchemaDefs } from '@valibot/to-json-schema';
import type * as v from 'valibot';
import { apiPrefix } from './dispatch.ts';
import type { Route } from './route.ts';
import { documents } from './documents.ts';

const refPrefix = '#/components/schemas/';

type JsonObject = Readonly<Record<string, unknown>>;

/** The OpenAPI 3.1 document of these routes: paths from the declarations, schemas from `documents.ts`. */
export function openapiDocument(routes: readonly Route[], version: string): { readonly openapi: string } & JsonObject {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = (paths[apiPrefix + route.path] ??= {});
    path[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Berth',
      version,
      description: 'The native API of berthd, on a unix socket. Times are milliseconds since 1970, sizes are bytes.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://localhost', description: 'over the unix socket /run/berth/berth.sock' }],
    paths,
    components: { schemas: toJsonSchemaDefs(documents, { target: 'draft-2020-12', typeMode: 'output', overrideRef: ({ referenceId }) => refPrefix + referenceId }) },
  };
}

function operation(route: Route): JsonObject {
  const error = { description: 'what went wrong', content: { 'application/json': { schema: { $ref: `${refPrefix}Error` } } } };
  return {
    operationId: operationId(route),
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    parameters: [...pathParameters(route), ...queryParameters(route)],
    ...requestBody(route),
    responses: { ...success(route), default: error },
  };
}

/** `get-apps-app-logs` */
function operationId(route: Route): string {
  return [route.method.toLowerCase(), ...route.path.replaceAll(/[{}]/g, '').split(/[/.]/).filter((part) => part !== '')].join('-');
}

function pathParameters(route: Route): readonly JsonObject[] {
  return [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
}

function queryParameters(route: Route): readonly JsonObject[] {
  return Object.entries(route.query.entries).map(([name, entry]) => {
    const { description, ...schema } = inline((entry as unknown as { readonly wrapped: v.GenericSchema }).wrapped);
    return { name, in: 'query', required: false, description, schema };
  });
}

function requestBody(route: Route): JsonObject {
  if (route.body !== undefined) return { requestBody: { required: true, content: { 'application/json': { schema: reference(route.body) } } } };
  if (route.payload !== undefined) return { requestBody: { required: true, content: { [route.payload]: {} } } };
  return {};
}

function success(route: Route): JsonObject {
  if (route.upgrade !== undefined) return { 101: { description: `the connection changes to ${route.upgrade}` } };
  const content: Record<string, unknown> = {};
  if (route.answer !== undefined) content['application/json'] = { schema: reference(route.answer) };
  if (route.line !== undefined) content['application/x-ndjson'] = { schema: reference(route.line) };
  const lines = route.line === undefined ? '' : 'one JSON document a line; if it fails midway, the last line is an Error';
  return { 200: { description: lines === '' ? 'done' : lines, content } };
}

/** A named document by its name, any other schema as it is. */
function reference(schema: v.GenericSchema): JsonObject {
  const name = Object.entries(documents).find(([, document]) => document === schema)?.[0];
  return name === undefined ? inline(schema) : { $ref: refPrefix + name };
}

function inline(schema: v.GenericSchema): JsonObject {
  const { $schema: _, ...rest } = toJsonSchema(schema, { target: 'draft-2020-12', typeMode: 'output' });
  return rest;
}
