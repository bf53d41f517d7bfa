//! Mistakes in a scenario file, shown the way rustc shows them.
//!
//! Must never: stop at the first mistake when others can be seen as well.

use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line.
    pub message: String,
    /// Where, in bytes of the file; `None` for the file as a whole.
    pub span: Option<Range<usize>>,
    /// What to say at that place.
    pub label: String,
    /// Other places that matter, each with a word on why.
    pub context: Vec<(Range<usize>, String)>,
    /// How to mend it.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A mistake at `span`.
    pub fn new(message: impl Into<String>, span: Range<usize>, label: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: Some(span),
            label: label.into(),
            context: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A mistake of the file as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: None,
            label: String::new(),
            context: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Adds a line on how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds "did you mean …", when something known is close enough.
    #[must_use]
    pub fn did_you_mean<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match closest(written, known) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Adds another place.
    #[must_use]
    pub fn context(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.context.push((span, label.into()));
        self
    }
}

/// All the mistakes found in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// Path of the file, as it was given.
    pub path: String,
    /// Its text; empty when it could not be read.
    pub source: String,
    /// The mistakes, in the order of the file.
    pub list: Vec<Diagnostic>,
}

impl Problems {
    /// Line and column, from 1 up, of a mistake.
    pub fn place(&self, diagnostic: &Diagnostic) -> Option<(usize, usize)> {
        let before = self.source.get(..diagnostic.span.as_ref()?.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |text| text.chars().count()) + 1;
        Some((line, column))
    }

    /// The mistakes as text, with colours or without.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(120);
        let mut text = String::new();
        for diagnostic in &self.list {
            text.push_str(&self.render_one(&renderer, diagnostic));
            text.push_str("\n\n");
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn render_one(&self, renderer: &Renderer, diagnostic: &Diagnostic) -> String {
        let clamp = |span: &Range<usize>| {
            let end = span.end.min(self.source.len());
            span.start.min(end)..end
        };
        let mut group = match &diagnostic.span {
            Some(span) => Level::ERROR.primary_title(diagnostic.message.as_str()).element(
                Snippet::source(self.source.as_str())
                    .path(self.path.as_str())
                    .annotation(
                        AnnotationKind::Primary.span(clamp(span)).label(diagnostic.label.as_str()),
                    )
                    .annotations(diagnostic.context.iter().map(|(span, label)| {
                        AnnotationKind::Context.span(clamp(span)).label(label.as_str())
                    })),
            ),
            None => Level::ERROR
                .primary_title(format!("{}: {}", self.path, diagnostic.message))
                .elements(std::iter::empty::<annotate_snippets::Message<'_>>()),
        };
        for help in &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// The known name that `written` most likely stands for.
pub fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let written = plain(written);
    let limit = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&written, &plain(name)), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
