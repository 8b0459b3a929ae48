pub struct Markdown;
