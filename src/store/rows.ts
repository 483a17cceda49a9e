import type { Row } from './sql.ts';
import type { AppRow, ImageRow, MemberRow, UpdateRow } from './types.ts';

/** Rows of the database as the types have them. */
export function toAppRow(row: Row): AppRow {
  return {
    name: row['name']!,
    image: row['image']!,
    desired: row['desired']!,
    dataGeneration: row['data_generation']!,
    installedAt: row['installed_at']!,
    restarts: row['restarts']!,
    failed: Boolean(row['failed']),
    instance: row['instance'] ?? null,
    lastExit: row['last_exit'] ?? null,
  };
}

export function toImageRow(row: Row): ImageRow {
  return {
    digest: row['digest']!,
    package: row['package']!,
    version: row['version']!,
    architecture: row['architecture']!,
    depends: row['depends']!,
    description: row['description']!,
    bytes: row['bytes']!,
    entries: row['entries']!,
    signed: Boolean(row['signed']),
    ...(row['authority'] === null ? {} : { authority: row['authority']! }),
    signers: JSON.parse(row['signers']!) as ImageRow['signers'],
    addedAt: row['added_at']!,
  };
}

export function toUpdateRow(row: Row): UpdateRow {
  return {
    id: row['id']!,
    source: row['source']!,
    origin: row['origin'] ?? null,
    state: row['state']!,
    outcome: row['outcome'] ?? null,
    code: row['code'] ?? null,
    reason: row['reason'] ?? null,
    startedAt: row['started_at']!,
    endedAt: row['ended_at'] ?? null,
    details: row['details']!,
    trial: row['trial'] ?? null,
  };
}

export function toMemberRow(row: Row): MemberRow {
  return {
    app: row['app']!,
    update: row['update_id']!,
    image: row['image']!,
    generation: row['generation']!,
    desired: row['desired']!,
    oldImage: row['old_image'] ?? null,
    oldGeneration: row['old_generation'] ?? null,
    oldInstalledAt: row['old_installed_at'] ?? null,
    floor: row['floor'] ?? null,
    owner: row['owner'] ?? null,
    trial: row['trial'] ?? null,
  };
}
