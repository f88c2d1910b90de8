//! The tables, and the steps that lead from one version of them to the next.

/// The schema this build writes, as `user_version`.
pub const SCHEMA: i64 = 3;

/// Each step leads from the schema of its index to the next.
pub(super) const MIGRATIONS: [&str; SCHEMA as usize] = [AGENTS, JOBS, SLOTS];

const AGENTS: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE agents (
        id TEXT PRIMARY KEY,
        socket TEXT NOT NULL,
        session TEXT NOT NULL,
        name TEXT NOT NULL,
        profile TEXT NOT NULL,
        spec TEXT,
        owned INTEGER NOT NULL,
        pid INTEGER,
        start_ticks INTEGER,
        first_seen_ms INTEGER NOT NULL,
        relaunches INTEGER NOT NULL,
        held INTEGER NOT NULL,
        stopped INTEGER NOT NULL,
        paused_until_ms INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE history (
        agent TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        from_state TEXT NOT NULL,
        to_state TEXT NOT NULL,
        detail TEXT,
        because TEXT NOT NULL,
        PRIMARY KEY (agent, seq)
    ) STRICT, WITHOUT ROWID;
";

/// Jobs stand in the order of their numbers, so that new ones go to the end of the file. What is only asked of
/// jobs that have ended is indexed when they end: a submission touches the table, its id, its key, and the
/// list of those that live. `state` is `queued` until an attempt runs or the job ends.
const JOBS: &str = "
    CREATE TABLE jobs (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        state TEXT NOT NULL,
        script TEXT NOT NULL,
        priority TEXT NOT NULL,
        session TEXT NOT NULL,
        agent TEXT,
        specialist TEXT,
        user TEXT,
        correlation_id TEXT,
        key TEXT,
        print INTEGER NOT NULL,
        job_group TEXT,
        slots INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        max_attempts INTEGER NOT NULL,
        timeout_ms INTEGER,
        submitted_ms INTEGER NOT NULL,
        not_before_ms INTEGER,
        start_by_ms INTEGER,
        again_ms INTEGER,
        finished_ms INTEGER,
        held INTEGER NOT NULL,
        inputs TEXT NOT NULL,
        outputs TEXT,
        failure TEXT
    ) STRICT;
    CREATE UNIQUE INDEX jobs_id ON jobs (id);
    CREATE UNIQUE INDEX jobs_key ON jobs (key) WHERE key IS NOT NULL;
    CREATE INDEX jobs_live ON jobs (seq) WHERE finished_ms IS NULL;
    CREATE INDEX jobs_ended ON jobs (state, seq) WHERE finished_ms IS NOT NULL;
    CREATE INDEX jobs_ended_script ON jobs (script, state, seq) WHERE finished_ms IS NOT NULL;
    CREATE INDEX jobs_ended_at ON jobs (finished_ms) WHERE finished_ms IS NOT NULL AND state <> 'dead';
    CREATE TABLE attempts (
        seq INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        boot_id TEXT NOT NULL,
        starting_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        record TEXT,
        failure TEXT,
        retry TEXT,
        PRIMARY KEY (seq, attempt)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE parents (
        seq INTEGER NOT NULL,
        place INTEGER NOT NULL,
        parent TEXT NOT NULL,
        edge TEXT NOT NULL,
        ended TEXT,
        PRIMARY KEY (seq, place)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX parents_waited_for ON parents (parent) WHERE ended IS NULL;
    CREATE TABLE schedules (name TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// Where an attempt leaves its traces.
const SLOTS: &str = "ALTER TABLE attempts ADD COLUMN slot INTEGER;";
