//! A terminal, on which a program runs.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::pty::{OpenptyResult, openpty};

const LONGEST: Duration = Duration::from_secs(180);

/// A program that runs on a terminal of its own. It ends with the test.
pub(crate) struct Terminal {
    program: Child,
    keys: File,
    printed: mpsc::Receiver<Vec<u8>>,
    /// What was printed and not waited for yet.
    text: Vec<u8>,
}

impl Terminal {
    pub(crate) fn start(mut program: Command) -> Self {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        let own = || Stdio::from(slave.try_clone().unwrap());
        program.stdin(own()).stdout(own()).stderr(own()).env("TERM", "xterm");
        let child = program.spawn().unwrap();
        // Its ends of the terminal are the program's alone from here on.
        drop((program, slave));
        let keys = File::from(master);
        let mut output = keys.try_clone().unwrap();
        let (tell, printed) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                if tell.send(bytes[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { program: child, keys, printed, text: Vec::new() }
    }

    /// Waits for these words behind those that were waited for before.
    pub(crate) fn wait_for(&mut self, words: &str) {
        loop {
            let text = String::from_utf8_lossy(&self.text);
            if let Some((_, rest)) = text.split_once(words) {
                self.text = rest.as_bytes().to_vec();
                return;
            }
            let more = self.printed.recv_timeout(LONGEST);
            let more = more.unwrap_or_else(|_| panic!("no `{words}` in `{text}`"));
            self.text.extend(more);
        }
    }

    /// Enters a line once the next prompt is there: what is typed before may be lost.
    pub(crate) fn enter_at_prompt(&mut self, line: &str) {
        // Each prompt turns bracketed paste on.
        self.wait_for("\u{1b}[?2004h");
        self.enter(line);
    }

    pub(crate) fn enter(&mut self, line: &str) {
        self.press(format!("{line}\r").as_bytes());
    }

    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    pub(crate) fn process(&self) -> u32 {
        self.program.id()
    }

    /// Waits for the end of the program, and returns its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.program.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < LONGEST, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.program.kill();
    }
}
