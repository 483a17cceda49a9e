import * as schemas from './schemas.ts';
import * as trust from './trust-schemas.ts';
import * as updates from './update-schemas.ts';

/** The schemas by the names that they have in the OpenAPI document. */
export const documents = {
  App: schemas.app,
  Apps: schemas.apps,
  Figures: schemas.figures,
  LogLine: schemas.logLine,
  Event: schemas.event,
  Error: schemas.error,
  InstallLine: updates.installLine,
  PlanAnswer: updates.planAnswer,
  Updates: updates.updates,
  Update: updates.update,
  Storage: updates.storage,
  Removed: schemas.removed,
  Images: schemas.images,
  Devices: schemas.devices,
  Authorities: trust.authorities,
  HandedOver: trust.handedOver,
  RecallsTaken: trust.recallsTaken,
  Doctor: schemas.doctor,
  Version: schemas.version,
  ExecRequest: schemas.execRequest,
} as const;
