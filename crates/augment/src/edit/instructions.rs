//! Which instruction a copy follows.

use std::collections::BTreeSet;

use rand::RngExt as _;

use augtrial_base::seed::Stream;
use augtrial_plan::arm::{Ip2p, NullEditor};

/// Draws the instruction for one copy of the image at `path` of `class`; `None` if the plan has none for it.
///
/// The image's own list comes first, then its class's, then `"*"`. Shuffled, it is drawn from the lists of the other
/// classes without those that the image itself could get.
#[must_use]
pub fn choose<'a>(ip2p: &'a Ip2p, path: &str, class: &str, stream: &mut Stream) -> Option<&'a str> {
    if !ip2p.is_instructed() {
        return Some("");
    }
    let lists = &ip2p.instructions;
    let own = [path, class, Ip2p::ANY].iter().find_map(|key| lists.get(*key))?;
    let candidates: Vec<&str> = if ip2p.null == Some(NullEditor::ShuffledInstructions) {
        let own: BTreeSet<_> = own.iter().collect();
        lists.values().flatten().filter(|instruction| !own.contains(instruction)).map(String::as_str).collect()
    } else {
        own.iter().map(String::as_str).collect()
    };
    (!candidates.is_empty()).then(|| candidates[stream.random_range(0..candidates.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::digest::Digest;
    use augtrial_base::seed::{Purpose, StudySeed};

    fn plan(text: &str) -> Ip2p {
        toml::from_str(&format!("bundle = \"b\"\n{text}")).unwrap()
    }

    fn drawn(ip2p: &Ip2p, path: &str, class: &str) -> BTreeSet<Option<String>> {
        let digest = Digest::of_bytes(b"x");
        let stream = |copy| StudySeed(1).stream(Purpose::Offline { recipe: digest, image: digest }, copy);
        (0..64).map(|copy| choose(ip2p, path, class, &mut stream(copy)).map(str::to_owned)).collect()
    }

    fn set(items: &[&str]) -> BTreeSet<Option<String>> {
        items.iter().map(|item| Some((*item).to_owned())).collect()
    }

    const LISTS: &str = "[instructions]\nmetal = ['rust', 'polish']\n'*' = ['wet']\n'metal/1.jpg' = ['dent']\nglass = ['crack', 'rust']";

    #[test]
    fn the_nearest_list_serves_and_all_of_it_is_drawn() {
        let ip2p = plan(LISTS);
        assert_eq!(drawn(&ip2p, "metal/1.jpg", "metal"), set(&["dent"]));
        assert_eq!(drawn(&ip2p, "metal/2.jpg", "metal"), set(&["rust", "polish"]));
        assert_eq!(drawn(&ip2p, "paper/2.jpg", "paper"), set(&["wet"]));
        assert_eq!(drawn(&plan("[instructions]\nmetal = ['rust']"), "paper/2.jpg", "paper"), [None].into());
    }

    #[test]
    fn shuffled_instructions_are_never_the_images_own() {
        let ip2p = plan(&format!("null = 'shuffled-instructions'\n{LISTS}"));
        assert_eq!(drawn(&ip2p, "metal/2.jpg", "metal"), set(&["wet", "dent", "crack"]));
        let lone = plan("null = 'shuffled-instructions'\ninstructions = { '*' = ['wet'] }");
        assert_eq!(drawn(&lone, "metal/2.jpg", "metal"), [None].into());
    }

    #[test]
    fn the_other_null_editors_need_no_instruction() {
        assert_eq!(drawn(&plan("null = 'empty-instruction'"), "a/1.jpg", "a"), set(&[""]));
        assert_eq!(drawn(&plan("null = 'vae-round-trip'"), "a/1.jpg", "a"), set(&[""]));
    }
}
