//! The fenced blocks of the README.

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// What stands behind the fence: `console`, `toml`, ...
    pub language: String,
    /// Its lines.
    pub text: String,
    /// Line of the file on which it begins.
    pub line: usize,
}

/// All fenced blocks with a language, in order.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in markdown.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                let (language, text) = (language.trim().to_owned(), String::new());
                found.push(Block { language, text, line: index + 1 });
            }
            None if open => {
                if let Some(block) = found.last_mut() {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            None => {}
        }
    }
    assert!(!open, "the last block of the file is not closed");
    found
}

/// The commands of the console blocks, without their `$ `.
pub fn commands(blocks: &[Block]) -> Vec<String> {
    let console = blocks.iter().filter(|block| block.language == "console");
    let lines = console.flat_map(|block| block.text.lines());
    lines.filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

/// The text with every number as `N` and every hash as `H`: what differs between machines and
/// commits says nothing about a picture of a run. Blanks, too, count as one.
pub fn shape(text: &str) -> String {
    let word = |word: &str| {
        let hex = word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
        if hex {
            return "H".to_owned();
        }
        let mut out = String::new();
        for c in word.chars() {
            match c {
                '0'..='9' if out.ends_with('N') => {}
                '0'..='9' => out.push('N'),
                c => out.push(c),
            }
        }
        out
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
