//! What was foreseen, told: failures and warnings, each with where to read more.

use super::CliError;
use super::output::line;
use super::screen::{self, ERROR, FAINT, WARNING, styled};
use augtrial_study::Foreseen;

/// Failures first. Nothing is told if nothing was foreseen.
pub(super) fn tell_all(foreseen: &[Foreseen]) -> Result<(), CliError> {
    if !foreseen.is_empty() {
        line("")?;
    }
    let (fails, warns): (Vec<_>, Vec<_>) = foreseen.iter().partition(|one| one.fails);
    fails.into_iter().chain(warns).try_for_each(|one| line(told(one)))
}

fn told(Foreseen { fails, text, docs }: &Foreseen) -> String {
    let head = if *fails { styled(ERROR, "will fail:") } else { styled(WARNING, "warning:") };
    screen::paragraph(
        &format!("{head} {} {}", augtrial_base::text::terminal(text), styled(FAINT, format_args!("({docs})"))),
        "  ",
    )
}
