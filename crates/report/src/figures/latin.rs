//! Names in scripts that the bundled font has no letters for. Viewers of SVG set them in fonts of their own; PNG and PDF files
//! carry the bundled font only, so that every machine gives the same bytes, and show such names in Latin letters, by the
//! tables of Burke's `Text::Unidecode` as the crate `deunicode` has them. The report says which.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::style::has_glyph;
use crate::view::StudyView;

/// The text in letters that the bundled font has.
pub(super) fn latin(text: &str) -> Cow<'_, str> {
    if text.chars().all(has_glyph) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for character in text.chars() {
        match deunicode::deunicode_char(character) {
            _ if has_glyph(character) => shown.push(character),
            Some(letters) => shown.push_str(letters),
            None => shown.push('?'),
        }
    }
    Cow::Owned(shown.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The view with every name that a figure shows in Latin letters; the same view where all are.
pub(super) fn in_latin(view: &StudyView) -> Cow<'_, StudyView> {
    let foreign = |text: &String| !text.chars().all(has_glyph);
    let missing = view.arms.iter().flat_map(|arm| arm.flow.missing.iter().map(|(reason, _)| reason));
    let lost = view.comparison.arms.iter().flat_map(|arm| arm.missing.iter().map(|missing| &missing.reason));
    if !view.data.classes.iter().chain(missing).chain(lost).any(foreign) {
        return Cow::Borrowed(view);
    }
    let mut view = view.clone();
    let names = class_names(&view.data.classes);
    view.data.classes = names;
    let missing = view.arms.iter_mut().flat_map(|arm| arm.flow.missing.iter_mut().map(|(reason, _)| reason));
    let lost =
        view.comparison.arms.iter_mut().flat_map(|arm| arm.missing.iter_mut().map(|missing| &mut missing.reason));
    for reason in missing.chain(lost) {
        *reason = latin(reason).into_owned();
    }
    Cow::Owned(view)
}

/// The classes in Latin letters; of names that become the same, all but the first get a number.
fn class_names(classes: &[String]) -> Vec<String> {
    let mut taken: BTreeSet<String> = classes.iter().filter(|class| latin(class) == class.as_str()).cloned().collect();
    let name = |class: &String| {
        let plain = latin(class).into_owned();
        if plain == *class {
            return plain;
        }
        let mut name = plain.clone();
        for number in 2.. {
            if taken.insert(name.clone()) {
                break;
            }
            name = format!("{plain} ({number})");
        }
        name
    };
    classes.iter().map(name).collect()
}

/// The classes that PNG and PDF files name otherwise: as written, and in Latin letters.
pub(crate) fn transliterated(classes: &[String]) -> Vec<(&str, String)> {
    let names = class_names(classes);
    classes.iter().map(String::as_str).zip(names).filter(|(class, name)| class != name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_are_readable_and_those_that_the_font_has_stay() {
        for kept in ["cardboard", "Größe", "картон", "χαρτί", "a−b"] {
            assert_eq!(latin(kept), kept);
        }
        for (foreign, shown) in
            [("玻璃", "Bo Li"), ("ガラス", "garasu"), ("유리", "yuri"), ("زجاج", "zjj"), ("👩 x", "woman x")]
        {
            assert_eq!(latin(foreign), shown);
            assert!(shown.chars().all(has_glyph));
        }
    }

    #[test]
    fn names_that_become_the_same_are_told_apart() {
        let classes = ["Bo Li", "玻璃", "波黎", "glass"].map(str::to_owned);
        assert_eq!(class_names(&classes), ["Bo Li", "Bo Li (2)", "Bo Li (3)", "glass"]);
        assert_eq!(transliterated(&classes), [("玻璃", "Bo Li (2)".to_owned()), ("波黎", "Bo Li (3)".to_owned())]);
    }
}
