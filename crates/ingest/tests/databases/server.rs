//! A PostgreSQL server in a temporary folder, reached by a socket in there.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until its input ends, which it does with the process that holds it, however that ends. `$1` is
/// the folder that is removed then, if it is not empty.
const WATCH: &str = r#"folder=$1; shift; "$@" & cat >/dev/null; kill -QUIT $! 2>/dev/null; wait; \
    [ -z "$folder" ] || rm -rf "$folder""#;

/// A server.
pub(crate) struct Server {
    folder: PathBuf,
    bin: PathBuf,
    /// Who runs it: PostgreSQL does not run as root.
    user: Option<&'static str>,
    /// Who watches it.
    watch: Option<Child>,
    removes: Option<TempDir>,
    /// The port on which it speaks TLS.
    port: Option<u16>,
}

/// A certificate that no system trusts.
pub(crate) struct Certificate {
    pub(crate) file: PathBuf,
}

impl Server {
    /// The one for all tests that do not stop it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut server = Self::prepare();
            let folder = server.removes.take().unwrap().keep();
            server.start_removing(folder.to_str().unwrap());
            server
        })
    }

    /// One of its own.
    pub(crate) fn start() -> Self {
        let mut server = Self::prepare();
        server.start_again();
        server
    }

    /// One of its own that speaks TLS for `localhost`.
    pub(crate) fn start_with_tls() -> (Self, Certificate) {
        let mut server = Self::prepare();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let (file, key) = (server.folder.join("server.crt"), server.folder.join("server.key"));
        fs::write(&file, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some(user) = server.user {
            chown(&key, id(user).parse().ok(), None).unwrap();
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        server.port = Some(free.local_addr().unwrap().port());
        drop(free);
        server.start_again();
        (server, Certificate { file })
    }

    /// Its URL with TLS.
    pub(crate) fn url(&self) -> String {
        let port = self.port.unwrap();
        format!(
            "postgres://postgres:p@localhost:{port}/postgres?hostaddr=127.0.0.1&sslmode=require"
        )
    }

    /// How to connect to it, as any role: none needs a password.
    pub(crate) fn config(&self, role: &str) -> String {
        let port = self.port.unwrap_or(5432);
        format!("host={} port={port} user={role} dbname=postgres", self.folder.display())
    }

    /// Stops it as a loss of power would, apart from what is on disk: nothing is written any more.
    pub(crate) fn stop_at_once(&mut self) {
        let data = self.data();
        let stop = ["stop", "-m", "immediate", "-w", "-t", "100", "-D", data.to_str().unwrap()];
        self.run("pg_ctl", &stop);
        self.end();
    }

    /// Starts it with what it has stored.
    pub(crate) fn start_again(&mut self) {
        self.start_removing("");
    }

    /// Lets connections that are made from now on write no file beyond so many bytes, which looks to it
    /// like a disk that is full.
    pub(crate) fn limit_files(&self, bytes: &str) {
        let pid = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        let limit = format!("--fsize={bytes}:");
        self.run("/usr/bin/prlimit", &[&limit, "--pid", pid]);
    }

    fn prepare() -> Self {
        let removes = tempfile::tempdir().unwrap();
        let folder = removes.path().to_owned();
        let user =
            (id("") == "0").then(|| if id("postgres").is_empty() { "nobody" } else { "postgres" });
        if let Some(user) = user {
            chown(&folder, id(user).parse().ok(), None).unwrap();
        }
        let server =
            Self { folder, bin: bin(), user, watch: None, removes: Some(removes), port: None };
        let data = server.data();
        let data = data.to_str().unwrap();
        let how = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"];
        server.run("initdb", &how);
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn start_removing(&mut self, removed: &str) {
        let log = fs::File::create(env::temp_dir().join(format!("{}.log", self.name()))).unwrap();
        let mut server = self.command("postgres");
        server.arg("-D").arg(self.data()).arg("-k").arg(&self.folder);
        // The tests stop processes, not the machine.
        for setting in ["fsync=off", "max_connections=200"] {
            server.args(["-c", setting]);
        }
        server.args(["-c", "listen_addresses="]);
        if let Some(port) = self.port {
            let folder = self.folder.display();
            for setting in
                ["listen_addresses=127.0.0.1".into(), format!("port={port}"), "ssl=on".into()]
            {
                server.args(["-c", &setting]);
            }
            for file in ["cert", "key"] {
                let end = if file == "cert" { "crt" } else { "key" };
                server.args(["-c", &format!("ssl_{file}_file={folder}/server.{end}")]);
            }
        }
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH, "sh", removed]);
        watch.arg(server.get_program()).args(server.get_args());
        watch.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        self.watch = Some(watch.spawn().expect("`sh` is there"));
        self.wait();
    }

    fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    fn wait(&self) {
        let log = env::temp_dir().join(format!("{}.log", self.name()));
        let start = Instant::now();
        let config = self.config("postgres");
        let ready = [config.as_str(), "-q"];
        while !self.command("pg_isready").args(["-d"]).args(ready).status().unwrap().success() {
            let log = || fs::read_to_string(&log).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "PostgreSQL does not start:\n{}", log());
            thread::sleep(Duration::from_millis(20));
        }
        // It is open by whoever writes it.
        fs::remove_file(log).unwrap();
    }

    /// Runs a program, by default one of PostgreSQL, as the server's user.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let Some(user) = self.user else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", user, "--regid", &group(user), "--clear-groups", "--"])
            .arg(program);
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).current_dir("/").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
    }

    fn end(&mut self) {
        if let Some(mut watch) = self.watch.take() {
            drop(watch.stdin.take());
            watch.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The number of a user, or nothing; of the own one for `""`.
fn id(user: &str) -> String {
    let user = (!user.is_empty()).then_some(user);
    let output = Command::new("id").arg("-u").args(user).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn group(user: &str) -> String {
    let output = Command::new("id").args(["-g", user]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Where PostgreSQL's programs are.
fn bin() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut bins: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    bins.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let found = bins.into_iter().rev().chain(env::split_paths(&path)).find(|bin| has_server(bin));
    found.expect("these tests start a PostgreSQL server: `apt-get install postgresql`")
}

fn has_server(bin: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl", "pg_isready"].iter().all(|program| bin.join(program).exists())
}
