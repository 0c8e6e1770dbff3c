//! [pure] Refuses settings of paging that contradict each other.

use http::HeaderName;

use super::{Mode, Paging, UrlPart};
use crate::{config::ValidConfig, error::Error, path::Path};

impl Paging {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_range = self.is_by_range();
        if is_range && self.size_param.is_some() {
            return Err(Error::config("page_size: a range has a `size` and no `size_param`"));
        }
        if is_range && self.size.is_none_or(|size| size == 0) {
            return Err(Error::config("paging: pages by range need a `size` of at least 1"));
        }
        if !is_range && self.size.is_some() != self.size_param.is_some() {
            return Err(Error::config("page_size: `size` and `size_param` belong together"));
        }
        let size = self.size_param.as_deref().zip(self.size);
        if size.is_some_and(|(_, size)| size == 0) {
            return Err(Error::config("page_size: must be at least 1"));
        }
        if size.is_some_and(|(name, _)| name.is_empty()) {
            return Err(Error::config("page_size: the name of the parameter is empty"));
        }
        if self.mode == (Mode::None {}) && size.is_some() {
            return Err(Error::config("page_size: has no meaning for an API that does not page"));
        }
        if matches!(self.mode, Mode::Custom(_)) && size.is_some() {
            return Err(Error::config("page_size: a custom strategy asks for the size itself"));
        }
        if let Some(stray) = self.stray {
            return Err(Error::config(stray));
        }
        if self.param() == Some("") {
            return Err(Error::config("paging: the name of a parameter is empty"));
        }
        if size.is_some_and(|(name, _)| self.param() == Some(name)) {
            return Err(Error::config(
                "paging: one parameter cannot be both the place and the size",
            ));
        }
        if self.pointer().is_some_and(Path::is_root) {
            return Err(Error::config("paging: the path to the next page is empty"));
        }
        self.check_names(size.is_some())?;
        let is_posted = !(self.is_led_by_urls() || is_range) || self.as_export().is_some();
        if self.post.is_some() && !is_posted {
            return Err(Error::config(
                "post: pages that have a URL, a range or a strategy are not requested by a body",
            ));
        }
        self.check_places()?;
        if let Some(follow_up) = &self.follow_up {
            if !matches!(self.mode, Mode::Cursor { .. } | Mode::HeaderCursor { .. }) {
                return Err(Error::config("follow_up: has a meaning for cursors only"));
            }
            follow_up.check()?;
        }
        if !self.origins.0.is_empty() && !self.is_led_by_urls() && !self.is_auto() {
            return Err(Error::config("allow_origin: has a meaning only where pages hold URLs"));
        }
        let holds_urls = matches!(
            self.mode,
            Mode::NextUrl { .. } | Mode::HeaderUrl { .. } | Mode::Link {} | Mode::Auto {}
        );
        if self.url_part != UrlPart::Whole && !holds_urls {
            return Err(Error::config("next_url_part: has a meaning only where pages hold URLs"));
        }
        if let Some(export) = self.as_export() {
            export.check()?;
            if size.is_some() {
                return Err(Error::config("page_size: an export has none"));
            }
        }
        if self.is_auto() && (self.windows.is_some() || self.post.is_some()) {
            return Err(Error::config("auto: decides nothing beside `windows` or `post`"));
        }
        if let Some(windows) = &self.windows {
            windows.check(&self.parameters())?;
            if self.ends.restarts > 0 {
                return Err(Error::config(
                    "restart_when_expired: has no meaning beside `windows`, of which one is read \
                     at a time",
                ));
            }
        }
        self.check_ends()?;
        self.allowed().map(drop)
    }

    /// Checks the names that are not parameters, and what a keyset needs.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting.
    fn check_names(&self, has_size: bool) -> Result<(), Error> {
        match &self.mode {
            Mode::Range { unit } if unit.parse::<HeaderName>().is_err() => {
                Err(Error::config("range: invalid range unit"))
            }
            Mode::HeaderCursor { header, .. } if header.parse::<HeaderName>().is_err() => {
                Err(Error::config("header_cursor: the header has a name that none may have"))
            }
            Mode::HeaderUrl { header } if header.parse::<HeaderName>().is_err() => {
                Err(Error::config("header_url: the header has a name that none may have"))
            }
            Mode::Keyset { field, .. } if field.is_root() || field.is_spread() => {
                Err(Error::config("keyset: the field is the path of one value in a row"))
            }
            Mode::Keyset { inclusive: true, .. } if !has_size => Err(Error::config(
                "inclusive: needs a `size` and a `size_param`, by which a full page is known",
            )),
            Mode::Keyset { inclusive: true, .. } if self.ends.short_page_ends == Some(true) => {
                Err(Error::config("short_page_ends: contradicts inclusive, whose pages are short"))
            }
            _ => Ok(()),
        }
    }

    /// Checks the settings of where the set ends.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming a setting that this paging mode does
    /// not support.
    fn check_ends(&self) -> Result<(), Error> {
        let (ends, mode) = (&self.ends, &self.mode);
        let is_computed = self.is_addressable() || !self.is_paged();
        let is_cursor = matches!(mode, Mode::Cursor { .. } | Mode::HeaderCursor { .. });
        if ends.zero_cursor_ends && !is_cursor {
            return Err(Error::config("zero_cursor_ends: has a meaning for cursors only"));
        }
        if ends.short_page_ends.is_some() && *mode == (Mode::None {}) {
            return Err(Error::config(
                "short_page_ends: has no meaning for an API that does not page",
            ));
        }
        if ends.restarts > 0 && is_computed {
            return Err(Error::config(
                "restart_when_expired: has a meaning only where pages name each other",
            ));
        }
        if ends.restarts > 0 && self.is_export() {
            return Err(Error::config(
                "restart_when_expired: has no meaning for an export, whose job is submitted once",
            ));
        }
        if ends.expired_next.is_some() && (ends.restarts == 0 || !is_cursor) {
            return Err(Error::config(
                "expired_next: has a meaning for cursors with `restart_when_expired` only",
            ));
        }
        self.check_restart()?;
        if ends.row_cap == Some(0) {
            return Err(Error::config("row_cap: must be at least 1"));
        }
        Ok(())
    }

    /// Checks whether a pool with these settings may request pages from the origins allowed by
    /// name.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting.
    pub(in crate::pager) fn check_origins(&self, config: &ValidConfig) -> Result<(), Error> {
        let mut allowed = self.allowed()?.into_iter();
        allowed.try_for_each(|origin| config.settings.check_origin(&config.base, &origin))
    }
}
