import { BerthError } from '../lib/errors.ts';
import { parseSettings, type LaunchSettings } from './settings.ts';

/**
 * Launch settings from the text of a bundle's `config.json`.
 * @throws BerthError `bad_package` if it is not JSON, or an annotation of Berth's is wrong.
 */
export function settingsOfConfig(text: string): LaunchSettings {
  return parseSettings(annotationsOf(text));
}

function annotationsOf(text: string): Readonly<Record<string, string>> {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new BerthError('bad_package', `config.json: not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (config === null || typeof config !== 'object' || Array.isArray(config)) throw new BerthError('bad_package', 'config.json: not a JSON object');
  const { annotations = {} } = config as { annotations?: unknown };
  if (annotations === null || typeof annotations !== 'object' || Array.isArray(annotations)) throw new BerthError('bad_package', 'config.json: annotations: not a JSON object');
  for (const [name, value] of Object.entries(annotations)) {
    if (typeof value !== 'string') throw new BerthError('bad_package', `config.json: annotations["${name}"]: not text`);
  }
  return annotations as Readonly<Record<string, string>>;
}
