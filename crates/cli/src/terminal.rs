//! The terminal that bars are drawn on.

use std::{
    io::Result,
    sync::atomic::{AtomicBool, Ordering},
};

use indicatif::TermLike;

/// A terminal whose cursor rests on the line below the bars. At the end of the last bar, where
/// indicatif leaves it, the `^C` that a terminal echoes would begin a line that indicatif does not
/// know of, so that it would clear all bars but the first.
#[derive(Debug)]
pub(crate) struct Terminal<T> {
    term: T,
    /// Whether bars are on it.
    is_drawn: AtomicBool,
}

impl<T: TermLike> Terminal<T> {
    pub(crate) fn new(term: T) -> Self {
        Self { term, is_drawn: AtomicBool::new(false) }
    }
}

impl<T: TermLike> TermLike for Terminal<T> {
    fn width(&self) -> u16 {
        self.term.width()
    }

    fn height(&self) -> u16 {
        self.term.height().saturating_sub(1)
    }

    /// Each drawing begins with it.
    fn move_cursor_up(&self, n: usize) -> Result<()> {
        if !self.is_drawn.swap(false, Ordering::Relaxed) {
            return self.term.move_cursor_up(n);
        }
        self.term.clear_line()?;
        self.term.move_cursor_up(n + 1)
    }

    fn move_cursor_down(&self, n: usize) -> Result<()> {
        self.term.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> Result<()> {
        self.term.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> Result<()> {
        self.term.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> Result<()> {
        self.is_drawn.store(true, Ordering::Relaxed);
        self.term.write_line(text)
    }

    fn write_str(&self, text: &str) -> Result<()> {
        self.is_drawn.store(true, Ordering::Relaxed);
        self.term.write_str(text)
    }

    fn clear_line(&self) -> Result<()> {
        self.term.clear_line()
    }

    /// Each drawing ends with it.
    fn flush(&self) -> Result<()> {
        if self.is_drawn.load(Ordering::Relaxed) {
            self.term.write_str("\n")?;
        }
        self.term.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

    use super::*;

    const WIDTH: usize = 40;

    /// What a terminal shows.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<Shown>>);

    #[derive(Debug, Default)]
    struct Shown {
        rows: Vec<[char; WIDTH]>,
        row: usize,
        /// `WIDTH` behind the last character of a full row: only the next one begins another.
        column: usize,
    }

    impl Shown {
        fn row(&mut self) -> &mut [char; WIDTH] {
            while self.rows.len() <= self.row {
                self.rows.push([' '; WIDTH]);
            }
            &mut self.rows[self.row]
        }

        fn put(&mut self, character: char) {
            if character == '\n' || self.column == WIDTH {
                (self.row, self.column) = (self.row + 1, 0);
            }
            if character != '\n' {
                let column = self.column;
                self.row()[column] = character;
                self.column += 1;
            }
        }
    }

    impl Screen {
        fn print(&self, text: &str) {
            let mut shown = self.0.lock().unwrap();
            text.chars().for_each(|character| shown.put(character));
        }

        fn lines(&self) -> Vec<String> {
            let shown = self.0.lock().unwrap();
            let lines = shown.rows.iter().map(|row| row.iter().collect::<String>());
            lines.map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
        }

        fn move_to(&self, to: impl FnOnce(&mut Shown)) -> Result<()> {
            to(&mut self.0.lock().unwrap());
            Ok(())
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            WIDTH as u16
        }

        fn move_cursor_up(&self, n: usize) -> Result<()> {
            self.move_to(|shown| shown.row = shown.row.checked_sub(n).expect("it is on the screen"))
        }

        fn move_cursor_down(&self, n: usize) -> Result<()> {
            self.move_to(|shown| shown.row += n)
        }

        fn move_cursor_right(&self, n: usize) -> Result<()> {
            self.move_to(|shown| shown.column = (shown.column + n).min(WIDTH - 1))
        }

        fn move_cursor_left(&self, n: usize) -> Result<()> {
            self.move_to(|shown| shown.column = shown.column.saturating_sub(n))
        }

        fn write_line(&self, text: &str) -> Result<()> {
            self.print(text);
            self.print("\n");
            Ok(())
        }

        fn write_str(&self, text: &str) -> Result<()> {
            self.print(text);
            Ok(())
        }

        fn clear_line(&self) -> Result<()> {
            self.move_to(|shown| {
                shown.column = 0;
                *shown.row() = [' '; WIDTH];
            })
        }

        fn flush(&self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_echo_below_the_bars_leaves_none_of_them_behind() {
        let screen = Screen::default();
        screen.print("$ apipool\n");
        let terminal = Box::new(Terminal::new(screen.clone()));
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(terminal));
        let both = ["one", "two"].map(|name| {
            let bar = bars.add(ProgressBar::new_spinner());
            bar.set_style(ProgressStyle::with_template("{prefix}: {wide_msg}").unwrap());
            bar.set_prefix(name);
            bar.set_message("begun");
            bar.tick();
            bar
        });
        assert_eq!(screen.lines(), ["$ apipool", "one: begun", "two: begun"]);
        screen.print("^C");
        bars.suspend(|| screen.print("stopping\n"));
        assert_eq!(screen.lines(), ["$ apipool", "stopping", "one: begun", "two: begun"]);
        screen.print("^C");
        for bar in &both {
            bar.abandon_with_message("stopped");
        }
        assert_eq!(screen.lines(), ["$ apipool", "stopping", "one: stopped", "two: stopped"]);
        bars.suspend(|| screen.print("a report\n"));
        let shown = ["$ apipool", "stopping", "a report", "one: stopped", "two: stopped"];
        assert_eq!(screen.lines(), shown);
        drop(both);
        screen.print("$ ");
        assert_eq!(screen.lines().last().unwrap(), "$");
    }
}
