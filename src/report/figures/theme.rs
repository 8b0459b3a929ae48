//! One drawing for every place: an SVG file that carries its fonts, and an SVG element that takes the colours of the page it
//! stands in.

use plotters::style::RGBColor;

use super::confusion::{FULL, LESS};
use super::style;

/// The drawing as a file that needs no installed font.
pub(super) fn with_fonts(svg: &str) -> String {
    let faces = style::font_faces(svg.contains("font-weight=\"bold\""));
    let (head, body) = svg.split_once(">\n").unwrap_or((svg, ""));
    format!("{head}>\n<style>{faces}</style>\n{body}")
}

/// The drawing as an element of a page: no background, and colours by the page's variables, so that it follows its theme.
/// White text on a dark fill stays white.
pub(in crate::report) fn themed(svg: &str, label: &str) -> String {
    let (head, body) = svg.split_once(">\n").unwrap_or((svg, ""));
    // The first element is the white ground.
    let (_ground, mut body) = body.split_once("/>\n").map_or(("", body.to_owned()), |(g, rest)| (g, rest.to_owned()));
    let arms = (0..style::COLOURS).map(|arm| (style::arm_style(arm).colour, format!("--arm-{arm}")));
    let named =
        [(style::INK, "--ink"), (style::MUTED, "--muted"), (style::GRID, "--grid"), (FULL, "--gain"), (LESS, "--loss")];
    for (colour, variable) in arms.chain(named.map(|(colour, variable)| (colour, variable.to_owned()))) {
        body = body.replace(&format!("\"{}\"", hex(colour)), &format!("\"var({variable})\""));
    }
    let label = label.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    format!("{head} role=\"img\" aria-label=\"{label}\">\n{body}")
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use super::super::canvas;
    use super::*;

    fn drawing() -> String {
        canvas::svg((40, 20), |canvas| {
            canvas.rectangle((0.0, 0.0), (9.0, 9.0), &FULL)?;
            canvas.text("white", (5.0, 5.0), canvas::Anchor::Middle, style::WHITE)?;
            canvas.title("ink", (5.0, 15.0), canvas::Anchor::Left)
        })
        .unwrap()
    }

    #[test]
    fn a_page_decides_every_colour_but_white_text() {
        let svg = themed(&drawing(), "a \"b\" < c");
        assert!(svg.starts_with("<svg") && svg.contains("aria-label=\"a &quot;b&quot; &lt; c\""), "{svg}");
        assert!(svg.contains("var(--gain)") && svg.contains("var(--ink)"), "{svg}");
        assert_eq!(svg.matches('#').count(), 1, "only the white text has a colour of its own: {svg}");
        assert!(svg.contains("fill=\"#FFFFFF\""));
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
