//! How the programs in C are compiled, against the library that cargo has just built, and run.

use std::{
    env,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::source::{built, member};

/// How long one program may take.
const LONGEST: Duration = Duration::from_secs(540);

pub(crate) struct Build {
    folder: TempDir,
    library: PathBuf,
}

pub(crate) struct Program {
    path: PathBuf,
    folder: PathBuf,
    argument: Option<String>,
}

impl Build {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let library = built("libvantage_pool.so");
        for name in ["libvantage_pool.so", "libvantage_pool.so.1"] {
            symlink(&library, folder.path().join(name)).unwrap();
        }
        Self { folder, library }
    }

    pub(crate) fn c99(&self, name: &str) -> Program {
        self.compile(name, "c99", &["gcc", "-xc", "-std=c99", "-D_GNU_SOURCE"], &self.shared())
    }

    pub(crate) fn cpp17(&self, name: &str) -> Program {
        self.compile(name, "cpp17", &["g++", "-xc++", "-std=c++17"], &self.shared())
    }

    pub(crate) fn sanitized(&self, name: &str, checks: &str) -> Program {
        let checks_of = format!("-fsanitize={checks}");
        let compiler =
            ["gcc", "-xc", "-std=c99", "-D_GNU_SOURCE", "-fno-sanitize-recover=all", &checks_of];
        self.compile(name, checks, &compiler, &self.shared())
    }

    pub(crate) fn linked_statically(&self, name: &str) -> Program {
        let library = self.library.with_extension("a");
        let library = if library.exists() { library } else { built("libvantage_pool.a") };
        let mut link = vec!["-xnone".into(), library.display().to_string()];
        link.extend(["-lpthread", "-lm", "-ldl"].map(String::from));
        self.compile(name, "static", &["gcc", "-xc", "-std=c99", "-D_GNU_SOURCE"], &link)
    }

    /// A program that loads the library itself.
    pub(crate) fn loading(&self, name: &str) -> Program {
        let folder = self.folder.path().display();
        let link = ["-ldl".into(), format!("-Wl,-rpath,{folder}")];
        self.compile(name, "loading", &["gcc", "-xc", "-std=c99", "-D_GNU_SOURCE"], &link)
    }

    /// Installs the library as a user does.
    pub(crate) fn install(&self) -> PathBuf {
        let prefix = self.folder.path().join("installed");
        let test = env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let mut install = Command::new(member("install.sh"));
        install.arg("--no-build");
        if profile.ends_with("debug") {
            install.arg("--debug");
        }
        install.arg(&prefix).env("CARGO_TARGET_DIR", profile.parent().unwrap());
        assert!(install.status().unwrap().success(), "{install:?}");
        prefix
    }

    /// A program that is compiled as pkg-config says for what was installed.
    pub(crate) fn by_pkg_config(&self, name: &str, prefix: &Path, asked: &[&str]) -> Program {
        let mut pkg_config = Command::new("pkg-config");
        pkg_config.args(["--cflags", "--libs"]).args(asked);
        let output = pkg_config.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).output();
        let output = output.unwrap_or_else(|error| panic!("pkg-config: {error}"));
        assert!(output.status.success(), "{pkg_config:?}: {output:?}");
        let flags = String::from_utf8(output.stdout).unwrap();
        let mut link = vec!["-xnone".to_owned()];
        link.extend(flags.split_whitespace().map(str::to_owned));
        if asked.contains(&"--static") {
            link.push("-static".into());
        } else {
            link.push(format!("-Wl,-rpath,{}", prefix.join("lib").display()));
        }
        let kind = asked.concat();
        self.compile(name, &kind, &["gcc", "-xc", "-std=c99", "-D_GNU_SOURCE"], &link)
    }

    fn shared(&self) -> Vec<String> {
        let folder = self.folder.path().display();
        vec![format!("-L{folder}"), "-lvantage_pool".into(), format!("-Wl,-rpath,{folder}")]
    }

    fn compile(&self, name: &str, kind: &str, compiler: &[&str], link: &[String]) -> Program {
        let path = self.folder.path().join(format!("{name}-{kind}"));
        let mut command = Command::new(compiler[0]);
        command.args(&compiler[1..]);
        command.args(["-g", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror"]);
        command.arg("-I").arg(member("include")).arg("-I").arg(member("tests/c"));
        command.arg(member(&format!("tests/c/{name}.c"))).arg("-o").arg(&path).args(link);
        let status = command.status().unwrap_or_else(|error| panic!("{}: {error}", compiler[0]));
        assert!(status.success(), "{name} does not compile as {kind}");
        Program { path, folder: self.folder.path().to_owned(), argument: None }
    }
}

impl Program {
    /// The same with one more argument.
    pub(crate) fn of(program: &Self, argument: &str) -> Self {
        let (path, folder) = (program.path.clone(), program.folder.clone());
        Self { path, folder, argument: Some(argument.to_owned()) }
    }

    pub(crate) fn run(&self, arguments: &[&str]) {
        self.end(Command::new(&self.path), arguments);
    }

    /// Runs a program that looks for races itself: in its own code, as it sees no synchronization of
    /// what was compiled without that.
    pub(crate) fn run_for_races(&self, arguments: &[&str]) {
        // Not every kernel leaves its memory where it wants to have it; not every container lets that
        // be asked for.
        let fixed = Command::new("setarch").args(["-R", "true"]).status();
        let mut command = Command::new(&self.path);
        if fixed.is_ok_and(|status| status.success()) {
            command = Command::new("setarch");
            command.arg("-R").arg(&self.path);
        }
        command.env("TSAN_OPTIONS", "ignore_noninstrumented_modules=1 halt_on_error=1");
        self.end(command, arguments);
    }

    /// Whether it loads the library when it starts.
    pub(crate) fn is_linked_to_the_shared_library(&self) -> bool {
        let mut readelf = Command::new("readelf");
        let output = readelf.arg("-d").arg(&self.path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).contains("libvantage_pool.so.1")
    }

    pub(crate) fn under_valgrind(&self, arguments: &[&str]) {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
        valgrind.args(["--errors-for-leak-kinds=definite", "--show-leak-kinds=definite"]);
        valgrind.args(["--fair-sched=try", "--trace-children=yes"]).arg(&self.path);
        self.end(valgrind, arguments);
    }

    /// Runs it with a folder of its own, which must make it say `ok`.
    fn end(&self, mut command: Command, arguments: &[&str]) {
        let own = TempDir::new_in(&self.folder).unwrap();
        command.args(arguments).arg(own.path()).args(&self.argument);
        command.env_remove("VANTAGE_KV_PATH").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > LONGEST {
                child.kill().unwrap();
                panic!("{} does not end", self.path.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let name = self.path.display();
        assert!(output.status.success(), "{name} failed: {} {said}", output.status);
        assert!(said.ends_with("ok\n"), "{name} said {said}");
    }
}
