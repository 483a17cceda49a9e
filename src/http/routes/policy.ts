import * as v from 'valibot';
import { route, type Route } from '../route.ts';
import * as schemas from '../schemas.ts';

/** What apps ask for and what they are granted. */
export const policyRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/apps/{app}/policy',
    summary: 'What becomes of each field that an app asks for in its config.json, by the policy of the moment',
    answer: schemas.policyReport,
    handle: ({ policy }, { params }) => policy.ofApp(params.app),
  }),
  route({
    method: 'POST',
    path: '/policy/check',
    summary: 'What would become of each field of a config.json, if a package of this name came with it',
    body: v.strictObject({
      app: v.string(),
      config: v.pipe(v.string(), v.description('the text of config.json')),
      signed: v.pipe(v.boolean(), v.description('whether an authority vouches for the package')),
    }),
    answer: schemas.policyReport,
    handle: ({ policy }, { body }) => policy.ofRequest(body),
  }),
];
