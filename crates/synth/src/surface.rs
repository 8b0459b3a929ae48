//! A material at one point of an object: what the light meets there.

use super::material::{Coat, Material, Substance};
use super::math::{Rgb, Vec3, mix, mix3, pow, sin, smoothstep, vec3};
use super::noise::{creases, fractal, gradient, visibility};
use super::shape::Shape;

/// Optical properties of a point; shares are 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surface {
    /// Color of scattered light, or of the mirror image for a metal.
    pub albedo: Rgb,
    pub roughness: f32,
    /// Reflectance of a dielectric at normal incidence.
    pub specular: f32,
    pub metal: f32,
    /// Share of light that passes straight through.
    pub transmission: f32,
    /// What passing light keeps of its color.
    pub filter: Rgb,
    /// Share of light scattered inside.
    pub translucency: f32,
    /// Anisotropy of the highlight.
    pub brushing: f32,
    /// Deviation of the normal, local axes.
    pub bump: Vec3,
}

impl Surface {
    fn mixed(self, other: Self, share: f32) -> Self {
        let blend = |a, b| mix(a, b, share);
        Self {
            albedo: mix3(self.albedo, other.albedo, share),
            roughness: blend(self.roughness, other.roughness),
            specular: blend(self.specular, other.specular),
            metal: blend(self.metal, other.metal),
            transmission: blend(self.transmission, other.transmission),
            filter: mix3(self.filter, other.filter, share),
            translucency: blend(self.translucency, other.translucency),
            brushing: blend(self.brushing, other.brushing),
            bump: mix3(self.bump, other.bump, share),
        }
    }

    /// A matt opaque surface.
    fn matt(albedo: Rgb) -> Self {
        Self {
            albedo,
            roughness: 0.85,
            specular: 0.03,
            metal: 0.0,
            transmission: 0.0,
            filter: Vec3::ONE,
            translucency: 0.0,
            brushing: 0.0,
            bump: Vec3::ZERO,
        }
    }
}

/// A place on an object, in the object's own axes.
#[derive(Clone, Copy)]
pub(super) struct SurfacePoint {
    pub p: Vec3,
    /// Position on the surface, from [`Shape::chart`].
    pub chart: [f32; 2],
    /// Width of a pixel, object units.
    pub footprint: f32,
}

impl SurfacePoint {
    pub fn of(shape: &Shape, p: Vec3, n: Vec3, footprint: f32) -> Self {
        Self { p, chart: shape.chart(p, n), footprint }
    }

    /// Fractal noise of `frequency` features per object unit.
    fn fractal(&self, frequency: f32, octaves: u32, seed: u32) -> f32 {
        fractal(self.p * frequency, octaves, self.footprint * frequency, seed)
    }

    /// A random tilt of the normal with `frequency` features per object unit.
    fn rough(&self, frequency: f32, seed: u32) -> Vec3 {
        let seen = visibility(1.0 / frequency, self.footprint);
        if seen <= 0.0 {
            return Vec3::ZERO;
        }
        let q = self.p * frequency;
        let other = q + vec3(17.3, 5.1, 9.7);
        vec3(gradient(q, seed), gradient(other, seed), gradient(q + other, seed)) * seen
    }
}

/// The material at `place`, for an object of base color `color`.
pub(super) fn surface(material: &Material, color: Rgb, place: SurfacePoint) -> Surface {
    let mut found = bare(&material.substance, color, place, material.seed);
    if let Some(print) = &material.print {
        let (cover, ink) = print.at(place.chart, place.footprint);
        found = found.mixed(inked(found, ink, &material.substance), cover);
    }
    if let Some(coat) = &material.coat {
        found = found
            .mixed(bare(&coat.substance, coat.color, place, material.seed ^ 0xc0a7), patch(coat, place, material.seed));
    }
    soiled(found, material, place)
}

fn inked(under: Surface, ink: Rgb, substance: &Substance) -> Surface {
    let gloss = match substance {
        Substance::Metal { .. } => 0.28,
        Substance::Glass { .. } => 0.55,
        _ => under.roughness,
    };
    Surface {
        roughness: gloss,
        bump: under.bump,
        translucency: under.translucency,
        specular: 0.04,
        ..Surface::matt(ink)
    }
}

/// How far patches of the second substance reach here.
fn patch(coat: &Coat, place: SurfacePoint, seed: u32) -> f32 {
    let level = 0.5 * place.fractal(coat.frequency, 2, seed ^ 0xface) + 0.5;
    let edge = 1.0 - coat.share;
    smoothstep(mix(0.2, 0.8, edge) - 0.03, mix(0.2, 0.8, edge) + 0.03, level)
}

fn soiled(clean: Surface, material: &Material, place: SurfacePoint) -> Surface {
    let soil = &material.soil;
    if soil.coverage <= 0.0 {
        return clean;
    }
    let level = 0.5 + 0.75 * place.fractal(soil.frequency, 3, material.seed ^ 0x5011);
    let edge = mix(0.95, 0.15, soil.coverage);
    let cover = smoothstep(edge - 0.08, edge + 0.12, level);
    let mottled = soil.color * (0.75 + 0.5 * place.fractal(soil.frequency * 4.0, 2, material.seed ^ 0x5012));
    let dirt = Surface {
        roughness: mix(0.9, 0.22, soil.wetness),
        specular: mix(0.02, 0.05, soil.wetness),
        bump: place.rough(9.0, material.seed ^ 0x5013) * 0.35,
        ..Surface::matt(mottled)
    };
    clean.mixed(dirt, cover * 0.9)
}

fn bare(substance: &Substance, color: Rgb, place: SurfacePoint, seed: u32) -> Surface {
    match *substance {
        Substance::Cardboard { flutes, pitch, fibre } => cardboard(color, flutes, pitch, fibre, place, seed),
        Substance::Glass { clarity, density, roughness } => glass(color, clarity, density, roughness, place, seed),
        Substance::Metal { roughness, brushing, rust } => metal(color, roughness, brushing, rust, place, seed),
        Substance::Paper { fibre, gloss } => paper(color, fibre, gloss, place, seed),
        Substance::Plastic { roughness, translucency, clarity } => {
            plastic(color, roughness, translucency, clarity, place, seed)
        }
    }
}

fn cardboard(color: Rgb, flutes: f32, pitch: f32, fibre: f32, place: SurfacePoint, seed: u32) -> Surface {
    let [u, _] = place.chart;
    let seen = visibility(0.8 / pitch, place.footprint);
    let wave = sin(u * pitch * std::f32::consts::TAU + 0.6 * gradient(place.p * 2.0, seed)) * seen;
    let cloud = place.fractal(2.2, 3, seed);
    let long = SurfacePoint {
        p: vec3(place.p.x * 3.0, place.p.y * 9.0, place.p.z * 22.0),
        footprint: place.footprint * 9.0,
        ..place
    };
    let strands = long.fractal(1.0, 2, seed ^ 1);
    let fleck = smoothstep(0.42, 0.55, place.fractal(16.0, 1, seed ^ 2));
    let tone = 1.0 + flutes * 0.22 * wave + 0.16 * cloud + fibre * (0.22 * strands - 0.3 * fleck);
    Surface {
        roughness: 0.92,
        specular: 0.02,
        bump: vec3(0.3, 0.3, 0.1) * (flutes * wave) + place.rough(14.0, seed ^ 3) * (0.12 * fibre),
        ..Surface::matt(color * tone.max(0.3))
    }
}

fn glass(color: Rgb, clarity: f32, density: f32, roughness: f32, place: SurfacePoint, seed: u32) -> Surface {
    let ripple = place.rough(1.7, seed) * 0.09;
    let frost = place.fractal(6.0, 2, seed ^ 1) * roughness;
    Surface {
        roughness: (0.03 + roughness + 0.3 * frost).clamp(0.02, 0.9),
        specular: 0.06,
        transmission: clarity,
        filter: color.map(|channel| pow(channel.max(0.01), density)),
        bump: ripple,
        ..Surface::matt(color * 0.35)
    }
}

fn metal(color: Rgb, roughness: f32, brushing: f32, rust: f32, place: SurfacePoint, seed: u32) -> Surface {
    let [u, v] = place.chart;
    let lines = fractal(vec3(u * 1.5, v * 42.0, 0.0), 2, place.footprint * 30.0, seed);
    let smudge = place.fractal(2.5, 3, seed ^ 1);
    let bright = Surface {
        roughness: (roughness + 0.12 * smudge + 0.1 * brushing * lines).clamp(0.06, 0.9),
        specular: 0.5,
        metal: 1.0,
        brushing,
        bump: vec3(0.0, 0.0, 0.12 * brushing * lines) + place.rough(2.2, seed ^ 2) * 0.08,
        ..Surface::matt(color * (1.0 + 0.08 * smudge + 0.14 * brushing * lines))
    };
    if rust <= 0.0 {
        return bright;
    }
    let level = 0.5 + 0.8 * place.fractal(2.8, 4, seed ^ 3);
    let tone = 0.8 + 0.6 * place.fractal(11.0, 2, seed ^ 4);
    let rusty = Surface { bump: place.rough(12.0, seed ^ 5) * 0.3, ..Surface::matt(vec3(0.30, 0.11, 0.04) * tone) };
    bright.mixed(rusty, smoothstep(0.95 - rust, 1.1 - rust, level))
}

fn paper(color: Rgb, fibre: f32, gloss: f32, place: SurfacePoint, seed: u32) -> Surface {
    let pulp = place.fractal(18.0, 2, seed);
    let crease = smoothstep(0.72, 0.98, creases(place.p * 1.3, seed ^ 1)) * visibility(0.15, place.footprint);
    Surface {
        roughness: mix(0.93, 0.3, gloss),
        specular: mix(0.02, 0.05, gloss),
        translucency: 0.3,
        bump: place.rough(20.0, seed ^ 2) * (0.14 * fibre) + place.rough(2.6, seed ^ 3) * 0.16,
        ..Surface::matt(color * (1.0 + 0.1 * fibre * pulp - 0.1 * crease * (1.0 - gloss)))
    }
}

fn plastic(color: Rgb, roughness: f32, translucency: f32, clarity: f32, place: SurfacePoint, seed: u32) -> Surface {
    let mould = place.fractal(1.4, 2, seed);
    Surface {
        roughness: (roughness + 0.06 * mould).clamp(0.05, 0.9),
        specular: 0.05,
        transmission: clarity,
        filter: mix3(Vec3::ONE, color, 0.6),
        translucency,
        bump: place.rough(1.9, seed ^ 1) * 0.12,
        ..Surface::matt(color * (1.0 + 0.04 * mould))
    }
}
