//! A PostgreSQL server with its default settings, in a temporary folder.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until its input ends, which it does with the process that holds it, however that ends; then
/// ends the server and removes its folder.
const WATCH: &str = r#"folder=$1; shift; "$@" & server=$!; cat >/dev/null; \
    kill -QUIT $server 2>/dev/null; wait; rm -rf "$folder""#;

/// A server, which ends with this.
pub struct Postgres {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    watch: Option<Child>,
    databases: AtomicU64,
}

/// A database of its own, which is dropped with this.
pub struct Database<'a> {
    server: &'a Postgres,
    name: String,
}

impl Postgres {
    pub fn start() -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = tempfile::tempdir()?.keep();
        let databases = AtomicU64::new(0);
        let mut server = Self { bin: bin()?, folder, port, watch: None, databases };
        server.prepare()?;
        Ok(server)
    }

    pub fn database(&self) -> anyhow::Result<Database<'_>> {
        let name = format!("bench{}", self.databases.fetch_add(1, Relaxed));
        self.client("createdb", &[name.as_str()])?;
        Ok(Database { server: self, name })
    }

    fn prepare(&mut self) -> anyhow::Result<()> {
        // PostgreSQL does not run as root.
        let user = match id(&["-u"])? == "0" {
            true => Some(if id(&["-u", "postgres"]).is_ok() { "postgres" } else { "nobody" }),
            false => None,
        };
        if let Some(user) = user {
            chown(&self.folder, Some(id(&["-u", user])?.parse()?), None)?;
        }
        let data = self.folder.join("data");
        let mut init = self.command("initdb", user)?;
        init.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8"]);
        succeed(init.arg("--locale=C"))?;
        let mut server = self.command("postgres", user)?;
        server.arg("-D").arg(&data).arg("-k").arg(&self.folder);
        server.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        let log = fs::File::create(self.folder.join("log"))?;
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH, "sh"]).arg(&self.folder);
        watch.arg(server.get_program()).args(server.get_args()).current_dir("/");
        watch.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C ends this program first, and the watch sees that.
        self.watch = Some(watch.process_group(0).spawn()?);
        self.wait()
    }

    fn wait(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.client("pg_isready", &["-q"]).is_err() {
            if began.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("PostgreSQL does not start:\n{log}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// A program of the server, as the user that it runs as.
    fn command(&self, program: &str, user: Option<&str>) -> anyhow::Result<Command> {
        let program = self.bin.join(program);
        let Some(user) = user else { return Ok(Command::new(program)) };
        let mut command = Command::new("setpriv");
        let group = id(&["-g", user])?;
        command.args(["--reuid", user, "--regid", &group, "--clear-groups", "--"]).arg(program);
        command.current_dir("/");
        Ok(command)
    }

    /// Runs a program that talks to the server.
    fn client(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(self.bin.join(program));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"]);
        succeed(command.args(arguments))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut watch) = self.watch.take() {
            drop(watch.stdin.take());
            watch.wait().ok();
        }
    }
}

impl Database<'_> {
    /// Its URL. dlt wants a password to be there; the server takes any.
    pub fn url(&self) -> String {
        format!("postgresql://postgres:bench@127.0.0.1:{}/{}", self.server.port, self.name)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        self.server.client("dropdb", &["--force", self.name.as_str()]).ok();
    }
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

fn id(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("id").args(arguments).output()?;
    ensure!(output.status.success(), "id {arguments:?} failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Where PostgreSQL's programs are.
fn bin() -> anyhow::Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut bins: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    bins.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let mut all = bins.into_iter().rev().chain(env::split_paths(&path));
    let found = all.find(|bin| bin.join("postgres").exists() && bin.join("initdb").exists());
    found.context("there is no PostgreSQL server: install Debian's package postgresql")
}
