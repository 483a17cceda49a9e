import * as v from 'valibot';
import { route, type Route } from '../route.ts';
import { appRoutes } from './apps.ts';
import { authorityRoutes } from './authorities.ts';
import { deviceRoutes } from './device.ts';
import { policyRoutes } from './policy.ts';
import { updateRoutes } from './updates.ts';

const openapiRoute = route({
  method: 'GET',
  path: '/openapi.json',
  summary: 'This document',
  answer: v.looseObject({ openapi: v.string() }),
  handle: async ({ version }) => {
    // Loaded when asked for: an idle daemon does not hold the converter in memory.
    const { openapiDocument } = await import('../openapi.ts');
    return openapiDocument(routes, version.version);
  },
});

/** All routes of the native API, below `/berth/v1`. */
export const routes: readonly Route[] = [...deviceRoutes, ...updateRoutes, ...appRoutes, ...authorityRoutes, ...policyRoutes, openapiRoute];
