//! A PostgreSQL cluster for tests: made in a fraction of a second, gone with the process that made it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What makes the database and the roles, as operators run it.
const SETUP: &str = include_str!("../../../deploy/postgresql/setup.sql");

/// Runs the cluster until its standard input closes, which it does when this process ends, however it ends.
///
/// In a process group of its own, so that Ctrl-C reaches it only that way. Without `fsync`: nothing outlives the tests.
const KEEPER: &str = r#"
trap '' INT HUP TERM
"$@" "$BIN/initdb" -D "$DIR/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$DIR/log" 2>&1 &&
"$@" "$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/server.log" -w -t 60 -o "$OPTIONS" start >>"$DIR/log" 2>&1 &&
echo ready || echo failed
read -r _
"$@" "$BIN/pg_ctl" -D "$DIR/data" -m immediate stop >/dev/null 2>&1
rm -rf "$DIR"
"#;

/// A running cluster, reached through a Unix socket that nobody else may open. Dropping it ends and removes it.
///
/// ```no_run
/// # use cedargate_migrations::testing::Server;
/// let server = Server::start()?;
/// server.set_up("inventory")?;
/// println!("{}", server.url("inventory"));
/// # Ok::<(), cedargate_migrations::testing::ServerError>(())
/// ```
#[derive(Debug)]
pub struct Server {
    programs: Programs,
    directory: PathBuf,
    keeper: Child,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The programs are not installed.
    #[error(
        "PostgreSQL's programs are missing: install Debian's `postgresql`, or put `initdb` and `pg_ctl` on the PATH"
    )]
    Missing,
    /// Its servers refuse to run as root, and there is nobody else to run them as.
    #[error("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")]
    Nobody,
    /// It did not start, or did not do what it was asked.
    #[error("the throwaway PostgreSQL failed: {0}")]
    Failed(String),
    /// The operating system refused.
    #[error("the throwaway PostgreSQL cannot be run")]
    Io(#[from] io::Error),
}

/// Where PostgreSQL's programs are, and how to run them as somebody who is not root.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    directory: PathBuf,
    /// The user and its ids, where we are root.
    user: Option<(u32, u32)>,
}

impl Server {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start() -> Result<Self, ServerError> {
        let programs = programs()?;
        let directory = tempfile::Builder::new()
            .prefix("cedargate-pg-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()?
            .keep();
        if let Some((user, group)) = programs.user {
            chown(&directory, Some(user), Some(group))?;
        }
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c fsync=off -c full_page_writes=off \
             -c synchronous_commit=off -c max_connections=300 -c shared_buffers=32MB -c wal_level=minimal \
             -c max_wal_senders=0 -c autovacuum=off",
            directory.display()
        );
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "sh"])
            .args(programs.unprivileged())
            .env("BIN", &programs.directory)
            .env("DIR", &directory)
            .env("OPTIONS", options)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let mut said = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        let server = Self { programs, directory, keeper };
        if said.trim() != "ready" {
            return Err(ServerError::Failed(fs::read_to_string(server.directory.join("log")).unwrap_or_default()));
        }
        Ok(server)
    }

    /// Prepares a database for a gateway or a service by `deploy/postgresql/setup.sql`; its login role is `cedargate`.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn set_up(&self, database: &str) -> Result<(), ServerError> {
        self.psql(&["-v", "login=cedargate", "-v", &format!("database={database}")], SETUP)
    }

    /// The URL of a database, for the login role that [`Server::set_up`] makes.
    pub fn url(&self, database: &str) -> String {
        self.url_as("cedargate", database)
    }

    /// The URL of a database for any role: `postgres` is the superuser.
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@localhost/{database}?host={}", self.directory.display())
    }

    /// Runs SQL as the superuser.
    ///
    /// # Errors
    /// [`ServerError`], with what `psql` said.
    pub fn psql(&self, arguments: &[&str], sql: &str) -> Result<(), ServerError> {
        let mut psql = Command::new(self.programs.directory.join("psql"))
            .args(["-X", "-q", "-U", "postgres", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-f", "-", "-h"])
            .arg(&self.directory)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = psql.stdin.take() {
            stdin.write_all(sql.as_bytes())?;
        }
        let ended = psql.wait_with_output()?;
        if ended.status.success() {
            return Ok(());
        }
        Err(ServerError::Failed(String::from_utf8_lossy(&ended.stderr).into_owned()))
    }

    /// Ends the server at once, as if it had crashed. What was committed is there when it resumes.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn stop(&self) -> Result<(), ServerError> {
        self.control(&["-m", "immediate", "stop"])
    }

    /// Starts the server again, with the options that it had.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn resume(&self) -> Result<(), ServerError> {
        let options = fs::read_to_string(self.directory.join("data/postmaster.opts"))?;
        // What follows the program and `-D data`, each in double quotes.
        let words = options.split('"').skip(1).step_by(2).collect::<Vec<_>>();
        let options = words.iter().skip_while(|word| **word != "-c").copied().collect::<Vec<_>>().join(" ");
        self.control(&["-w", "-t", "60", "-o", &options, "start"])
    }

    fn control(&self, arguments: &[&str]) -> Result<(), ServerError> {
        let mut words = self.programs.unprivileged();
        words.push(self.programs.directory.join("pg_ctl").into());
        let Some((program, rest)) = words.split_first() else { return Err(ServerError::Missing) };
        let ended = Command::new(program)
            .args(rest)
            .arg("-D")
            .arg(self.directory.join("data"))
            .arg("-l")
            .arg(self.directory.join("server.log"))
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if ended.success() { Ok(()) } else { Err(ServerError::Failed(format!("pg_ctl {arguments:?}"))) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ended = self.keeper.wait();
    }
}

/// Finds the programs: Debian keeps them off the PATH, a directory for each version.
pub(crate) fn programs() -> Result<Programs, ServerError> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let debian = versions.into_iter().rev().map(|(_, directory)| directory);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = debian.chain(std::env::split_paths(&path));
    let is_complete =
        |directory: &PathBuf| ["initdb", "pg_ctl", "psql"].iter().all(|name| directory.join(name).exists());
    let directory = directories.find(is_complete).ok_or(ServerError::Missing)?;
    let is_root = fs::metadata("/proc/self")?.uid() == 0;
    let user = if is_root { Some(somebody().ok_or(ServerError::Nobody)?) } else { None };
    Ok(Programs { directory, user })
}

/// Somebody who is not root, with the ids of user and group.
fn somebody() -> Option<(u32, u32)> {
    let users = fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    let ids_of = |name: &str| {
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect()).find(|f: &Vec<&str>| f.first() == Some(&name))?;
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    ids_of("postgres").or_else(|| ids_of("nobody"))
}

impl Programs {
    /// What to put before a program's name.
    fn unprivileged(&self) -> Vec<OsString> {
        let Some((user, group)) = self.user else { return Vec::new() };
        vec![
            "setpriv".into(),
            format!("--reuid={user}").into(),
            format!("--regid={group}").into(),
            "--clear-groups".into(),
        ]
    }
}
