//! One drawing for every place: an SVG file that carries its fonts, and an SVG element that takes the colors of the page it
//! stands in.

use augtrial_web::{ARM_COLORS, LIGHT};

use super::style;

/// The drawing as a file that needs no installed font.
pub(super) fn with_fonts(svg: &str) -> String {
    let faces = style::font_faces(svg.contains("font-weight=\"bold\""));
    let (head, body) = svg.split_once(">\n").unwrap_or((svg, ""));
    format!("{head}>\n<style>{faces}</style>\n{body}")
}

/// What the page's style sheet says anyway, or what is so by default.
const NEEDLESS: [&str; 3] =
    [" font-family=\"Inter, Helvetica, Arial, sans-serif\"", " opacity=\"1\"", " stroke=\"none\""];

/// The drawing as an element of a page: no background, and colors by the page's variables, so that it follows its theme.
/// White text on a dark fill stays white.
pub(crate) fn themed(svg: &str, label: &str) -> String {
    let (head, body) = svg.split_once(">\n").unwrap_or((svg, ""));
    // The first element is the white ground.
    let (_ground, mut body) = body.split_once("/>\n").map_or(("", body.to_owned()), |(g, rest)| (g, rest.to_owned()));
    let arms = (0..ARM_COLORS).map(|arm| (LIGHT.arms[arm], format!("--arm-{arm}")));
    let named = [
        (LIGHT.ink, "--ink"),
        (LIGHT.muted, "--muted"),
        (LIGHT.grid, "--grid"),
        (LIGHT.cell_ink, "--cell-ink"),
        (LIGHT.gain, "--gain"),
        (LIGHT.loss, "--loss"),
    ];
    for (color, variable) in arms.chain(named.map(|(color, variable)| (color, variable.to_owned()))) {
        body = body.replace(&format!("\"{}\"", color.hex()), &format!("\"var({variable})\""));
    }
    for needless in NEEDLESS {
        body = body.replace(needless, "");
    }
    let label = augtrial_base::text::svg(label);
    format!("{head} role=\"img\" aria-label=\"{label}\">\n{body}")
}

#[cfg(test)]
mod tests {
    use super::super::canvas;
    use super::*;

    fn drawing() -> String {
        canvas::svg((40, 20), |canvas| {
            canvas.rectangle((0.0, 0.0), (9.0, 9.0), &style::color(LIGHT.gain))?;
            canvas.text("white", (5.0, 5.0), canvas::Anchor::Middle, style::WHITE)?;
            canvas.title("ink", (5.0, 15.0), canvas::Anchor::Left)
        })
        .unwrap()
    }

    #[test]
    fn a_page_decides_every_color_but_white_text() {
        let svg = themed(&drawing(), "a \"b\" < c");
        assert!(svg.starts_with("<svg") && svg.contains("aria-label=\"a &quot;b&quot; &lt; c\""), "{svg}");
        assert!(svg.contains("var(--gain)") && svg.contains("var(--ink)"), "{svg}");
        assert_eq!(svg.matches('#').count(), 1, "only the white text has a color of its own: {svg}");
        assert!(svg.contains("fill=\"#FFFFFF\""));
    }

    #[test]
    fn every_color_that_a_figure_may_use_is_another() {
        // Variables are found by their colors: two of one color would be mixed up.
        let named = [LIGHT.ink, LIGHT.muted, LIGHT.grid, LIGHT.cell_ink, LIGHT.gain, LIGHT.loss, LIGHT.page];
        let mut all: Vec<String> = named.iter().chain(&LIGHT.arms).map(|color| color.hex()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), named.len() + ARM_COLORS);
    }

    #[test]
    fn a_file_carries_the_weights_that_it_uses() {
        let svg = with_fonts(&drawing());
        assert_eq!(svg.matches("@font-face").count(), 2);
        assert_eq!(svg.matches("<svg").count(), 1);
        let plain = canvas::svg((40, 20), |canvas| canvas.line(&[(0.0, 0.0), (9.0, 9.0)], &style::INK, 1.0)).unwrap();
        assert_eq!(with_fonts(&plain).matches("@font-face").count(), 1);
    }
}
