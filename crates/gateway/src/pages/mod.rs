//! The pages for people: `/docs` shows the OpenAPI document, `/status` draws what `/status/events`
//! tells. They hold no data and are the same for everybody, so they are served without credentials;
//! what they show, their scripts ask for as any client does, with a token that is in their memory
//! alone.
//!
//! A page is one file, made of `layout.html`, its own part, `page.css` and its scripts. Its policy
//! allows this style and this script, by their hashes, and requests to this origin: no other
//! script, no frame, no form, no markup made of texts. Scripts make elements, and texts of them
//! text nodes.

mod page;

pub(crate) use page::Pages;
