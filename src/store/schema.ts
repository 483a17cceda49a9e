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
  `
  CREATE TABLE updates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    origin TEXT,
    -- open: nothing has changed yet. switching: nor in this, but apps are being stopped. trial: switched.
    -- rolling-back: switched, and to be taken back.
    state TEXT NOT NULL CHECK (state IN ('open', 'switching', 'trial', 'rolling-back', 'over')),
    outcome TEXT,
    code TEXT,
    reason TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    details TEXT NOT NULL,
    trial TEXT
  ) STRICT;
  -- The apps of updates that are not over: where the switch leads and where the way back does.
  CREATE TABLE members (
    app TEXT PRIMARY KEY,
    update_id INTEGER NOT NULL REFERENCES updates (id),
    image TEXT NOT NULL REFERENCES images (digest),
    generation INTEGER NOT NULL,
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped')),
    -- NULL: the app was not there.
    old_image TEXT REFERENCES images (digest),
    -- Of an app that was not there: the data that it had left. NULL: none.
    old_generation INTEGER,
    old_installed_at INTEGER,
    -- The app's floor once it is committed. NULL: as it is.
    floor TEXT,
    trial TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE previous_images (
    app TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES images (digest),
    position INTEGER NOT NULL,
    PRIMARY KEY (app, image)
  ) STRICT, WITHOUT ROWID;
  -- Apps that are gone, of which logs or the like may still lie outside the store.
  CREATE TABLE leavings (app TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  -- Outlive the removal of an app unless its data is purged.
  CREATE TABLE floors (app TEXT PRIMARY KEY, version TEXT NOT NULL) STRICT, WITHOUT ROWID;
  -- What sources that are folders have brought of each app.
  CREATE TABLE brought (
    source TEXT NOT NULL,
    app TEXT NOT NULL,
    -- The newest version that the device has or had of it. NULL: it never had one.
    had TEXT,
    -- The last image that was refused or rolled back.
    refused TEXT,
    PRIMARY KEY (source, app)
  ) STRICT, WITHOUT ROWID;
  -- Folders about which there was nothing more to be done, and how they looked then.
  CREATE TABLE seen_folders (path TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- Which users of the host an app's are: range N begins at base + N * 65536, the base being in \`meta\`.
  CREATE TABLE id_ranges (app TEXT PRIMARY KEY, range INTEGER NOT NULL UNIQUE CHECK (range > 0)) STRICT, WITHOUT ROWID;
  -- NULL: nobody vouches for it.
  ALTER TABLE images ADD COLUMN authority TEXT;
  ALTER TABLE images ADD COLUMN signers TEXT NOT NULL DEFAULT '[]';
  -- The authority that the app belongs to once the update is committed. NULL: as it is.
  ALTER TABLE members ADD COLUMN owner TEXT;
  -- Outlive the removal of an app, also with its data.
  CREATE TABLE owners (app TEXT PRIMARY KEY, authority TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE recall_lists (authority TEXT PRIMARY KEY, sequence INTEGER NOT NULL, recalls TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
];
