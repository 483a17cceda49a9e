/**
 * The tables, as steps from one version to the next: step N brings a database from `user_version` N to N + 1. A step
 * that shipped is never changed.
 */
export const schemaSteps: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE images (
    digest TEXT PRIMARY KEY,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    architecture TEXT NOT NULL,
    depends TEXT NOT NULL,
    description TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    signed INTEGER NOT NULL,
    added_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE apps (
    name TEXT PRIMARY KEY,
    image TEXT NOT NULL REFERENCES images (digest),
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped')),
    data_generation INTEGER NOT NULL,
    installed_at INTEGER NOT NULL,
    restarts INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    instance TEXT,
    last_exit TEXT
  ) STRICT, WITHOUT ROWID;
  -- Data of apps that were removed without --purge: found again by a later install.
  CREATE TABLE kept_data (app TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
];
