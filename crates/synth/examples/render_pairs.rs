//! Renders exact pairs for training a small instruction editor: each scene as it is, and with some edits of [`EDITS`].
//!
//! ```text
//! cargo run --example render_pairs -- OUT SEED SCENES EDITS WIDTH HEIGHT
//! ```
//!
//! Writes into the new folder OUT the first SCENES scenes of the seed's synthetic data set, each with EDITS edits; which
//! ones goes round from scene to scene.
//!
//! - `images.u8`: `[SCENES, 1 + EDITS, HEIGHT, WIDTH, 3]` bytes; along the second axis the source, then its edits in order;
//! - `masks.u8`: `[SCENES, HEIGHT, WIDTH]` bytes, 255 where the object is seen and 0 elsewhere;
//! - `pairs.json`: sizes, seed, the renderer's version, and of each scene the class and the names of its edits.
//!
//! The same arguments give the same bytes. Everything that an edit does not name stays equal, grain and noise included.
//! An edit has fixed parameters, so that its result follows from the source as far as possible.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use augtrial_base::seed::StudySeed;
use augtrial_synth::{
    Background, Class, Floor, Light, Material, RENDERER_VERSION, Scene, Soil, Substance, Vec3, depth, render, scene,
};
use rayon::prelude::*;

/// An edit's name, and what it does to a scene.
type Edit = (&'static str, fn(&Scene) -> Scene);

const EDITS: [Edit; 22] = [
    ("iron", |scene| made_of(scene, Substance::Metal { roughness: 0.3, brushing: 0.3, rust: 0.0 }, [0.5, 0.5, 0.51])),
    ("gold", |scene| {
        made_of(scene, Substance::Metal { roughness: 0.25, brushing: 0.1, rust: 0.0 }, [0.86, 0.62, 0.22])
    }),
    ("rust", |scene| made_of(scene, Substance::Metal { roughness: 0.4, brushing: 0.2, rust: 0.9 }, [0.5, 0.45, 0.4])),
    ("cardboard", |scene| made_of(scene, CARDBOARD, [0.40, 0.25, 0.13])),
    ("paper", |scene| made_of(scene, Substance::Paper { fibre: 0.4, gloss: 0.0 }, [0.8, 0.8, 0.78])),
    ("green_glass", |scene| made_of(scene, GLASS, [0.16, 0.42, 0.14])),
    ("blue_plastic", |scene| made_of(scene, PLASTIC, [0.05, 0.16, 0.62])),
    ("mud", muddy),
    ("red", |scene| scene.with_color([0.62, 0.03, 0.03].into())),
    ("green", |scene| scene.with_color([0.05, 0.42, 0.07].into())),
    ("blue", |scene| scene.with_color([0.04, 0.1, 0.6].into())),
    ("yellow", |scene| scene.with_color([0.75, 0.55, 0.03].into())),
    ("black", |scene| scene.with_color([0.025, 0.025, 0.025].into())),
    ("black_background", |scene| on(scene, Floor::Board, [0.012; 3], [0.012; 3])),
    ("white_background", |scene| on(scene, Floor::Board, [0.82; 3], [0.7; 3])),
    ("blue_background", |scene| on(scene, Floor::Board, [0.06, 0.16, 0.5], [0.05, 0.1, 0.3])),
    ("grass", |scene| on(scene, Floor::Grass, [0.16, 0.27, 0.06], [0.05, 0.07, 0.02])),
    ("wood", |scene| on(scene, Floor::Wood, [0.42, 0.25, 0.13], [0.16, 0.08, 0.035])),
    ("night", |scene| lit(scene, [0.16, 0.22, 0.42], [0.14, 0.2, 0.4])),
    ("sunset", |scene| lit(scene, [1.25, 0.7, 0.3], [0.85, 0.6, 0.55])),
    ("cold_light", |scene| lit(scene, [0.72, 0.95, 1.3], [0.72, 0.95, 1.3])),
    ("soft_light", soft),
];

const CARDBOARD: Substance = Substance::Cardboard { flutes: 0.0, pitch: 8.0, fibre: 0.5 };
const GLASS: Substance = Substance::Glass { clarity: 0.85, density: 1.2, roughness: 0.02 };
const PLASTIC: Substance = Substance::Plastic { roughness: 0.25, translucency: 0.3, clarity: 0.0 };

/// Clean, plain and of one substance; the grain keeps its seed.
fn made_of(scene: &Scene, substance: Substance, color: [f32; 3]) -> Scene {
    let soil = Soil { coverage: 0.0, ..scene.material.soil.clone() };
    let material = Material { substance, print: None, coat: None, soil, seed: scene.material.seed };
    scene.with_material(material).with_color(color.into())
}

fn muddy(scene: &Scene) -> Scene {
    let soil = Soil { coverage: 1.0, color: [0.13, 0.08, 0.04].into(), wetness: 0.3, frequency: 2.0 };
    scene.with_material(Material { soil, ..scene.material.clone() })
}

fn on(scene: &Scene, floor: Floor, color: [f32; 3], accent: [f32; 3]) -> Scene {
    let background = Background {
        floor,
        color: color.into(),
        accent: accent.into(),
        frequency: 1.2,
        litter: 0.0,
        ..scene.background.clone()
    };
    scene.with_background(background)
}

/// The light from the same places with its colors multiplied, so that the edit follows from the picture.
fn lit(scene: &Scene, key: [f32; 3], ambient: [f32; 3]) -> Scene {
    let light = &scene.light;
    scene.with_light(Light {
        color: product(light.color, key),
        ambient_color: product(light.ambient_color, ambient),
        ..light.clone()
    })
}

fn soft(scene: &Scene) -> Scene {
    let light = &scene.light;
    let intensity = 0.25 * light.intensity;
    scene.with_light(Light {
        intensity,
        ambient: light.ambient + 0.55 * light.intensity,
        softness: 0.6,
        ..light.clone()
    })
}

fn product(a: Vec3, b: [f32; 3]) -> Vec3 {
    [a.x * b[0], a.y * b[1], a.z * b[2]].into()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, seed, scenes, edits, width_px, height_px] = &arguments[..] else {
        return Err("usage: render_pairs OUT SEED SCENES EDITS WIDTH HEIGHT".into());
    };
    let job = Job {
        seed: seed.parse()?,
        scenes: scenes.parse()?,
        edits: edits.parse()?,
        width_px: width_px.parse()?,
        height_px: height_px.parse()?,
    };
    if job.width_px == 0 || job.height_px == 0 || job.edits > EDITS.len() {
        return Err(format!("a picture has at least one pixel a side, and there are {} edits", EDITS.len()).into());
    }
    job.write(Path::new(out))
}

struct Job {
    seed: u64,
    scenes: u64,
    /// Edits of each scene.
    edits: usize,
    width_px: u32,
    height_px: u32,
}

/// A scene's class, its pictures one after the other, and its mask.
type Rendered = (&'static str, Vec<u8>, Vec<u8>);

impl Job {
    fn write(&self, out: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(out.parent().unwrap_or(Path::new(".")))?;
        fs::create_dir(out)?; // refuses a folder that is there: pairs of two runs would mix
        let mut images = BufWriter::new(File::create_new(out.join("images.u8"))?);
        let mut masks = BufWriter::new(File::create_new(out.join("masks.u8"))?);
        let mut scenes = Vec::new();
        for chunk in (0..self.scenes).collect::<Vec<_>>().chunks(16) {
            let rendered: Vec<Rendered> = chunk.par_iter().map(|&index| self.render(index)).collect();
            for (index, (class, pictures, mask)) in chunk.iter().zip(rendered) {
                images.write_all(&pictures)?;
                masks.write_all(&mask)?;
                let names: Vec<_> = self.edits_of(*index).map(|(name, _)| name).collect();
                scenes.push(serde_json::json!({ "class": class, "edits": names }));
            }
        }
        images.flush()?;
        masks.flush()?;
        let facts = serde_json::json!({
            "renderer_version": RENDERER_VERSION,
            "seed": self.seed,
            "width_px": self.width_px,
            "height_px": self.height_px,
            "scenes": scenes,
        });
        // Last: a folder without it is not complete.
        Ok(fs::write(out.join("pairs.json"), format!("{facts}\n"))?)
    }

    fn edits_of(&self, index: u64) -> impl Iterator<Item = Edit> {
        let first = index as usize * self.edits;
        (first..first + self.edits).map(|place| EDITS[place % EDITS.len()])
    }

    fn render(&self, index: u64) -> Rendered {
        let (class, source) = scene(StudySeed(self.seed), index);
        let (width_px, height_px) = (self.width_px, self.height_px);
        let mut pictures = render(&source, width_px, height_px).into_raw();
        for (_, edit) in self.edits_of(index) {
            pictures.extend(render(&edit(&source), width_px, height_px).into_raw());
        }
        let seen = |distance: f32| if distance.is_finite() { 255 } else { 0 };
        let mask = depth(&source, width_px, height_px).into_iter().map(seen).collect();
        (Class::ALL[class as usize].name(), pictures, mask)
    }
}
