//! Light on a surface: Lambert with wrap for what scatters inside, and an anisotropic GGX lobe (Walter et al. 2007;
//! Burley 2012) with Schlick's Fresnel term and Kelemen's visibility.

use super::light::Light;
use super::math::{Rgb, Vec3, mix, mix3, pow};
use super::surface::Surface;

/// What surrounds a point that is shaded.
pub(super) struct Incidence {
    /// Unit normal.
    pub n: Vec3,
    /// Toward the camera, a unit vector.
    pub view: Vec3,
    /// Direction of the grain, for brushed metal.
    pub grain: Vec3,
    /// What of the key light arrives, by color.
    pub lit: Rgb,
    /// Share of the sky that is open.
    pub open: f32,
    /// Mean color of the floor.
    pub floor: Rgb,
    /// What is seen through the surface, if light passes.
    pub behind: Rgb,
}

/// Radiance toward the camera.
pub(super) fn shade(surface: &Surface, light: &Light, at: &Incidence) -> Rgb {
    let toward = light.toward();
    let key = light.key() * at.lit;
    let n_l = at.n.dot(toward);
    let n_v = at.n.dot(at.view).clamp(0.02, 1.0);
    let grazing = pow(1.0 - n_v, 5.0);
    let f0 = mix3(Vec3::splat(surface.specular), surface.albedo, surface.metal);
    let fresnel = f0 + (Vec3::ONE - f0) * (grazing * (1.0 - 0.75 * surface.roughness));

    let wrap = 0.5 * surface.translucency;
    let facing = ((n_l + wrap) / (1.0 + wrap)).max(0.0);
    let through = surface.translucency * 0.3 * (-n_l).max(0.0);
    let scattered = surface.albedo * ((1.0 - surface.metal) * (1.0 - surface.transmission));
    let around = light.around(at.n, at.floor) * at.open;
    let mut radiance = scattered * (key * facing + light.key() * through + around);

    radiance += fresnel * key * highlight(surface, light, at, toward, n_l);
    let mirror = light.mirrored((-at.view).reflected(at.n), surface.roughness, at.floor);
    radiance += fresnel * mirror * mix(0.4, 1.0, at.open);
    if surface.transmission > 0.0 {
        // The longer way through a wall seen at a slant filters more.
        let path = 0.55 / n_v.max(0.2);
        let passed = at.behind * surface.filter.map(|channel| pow(channel.max(1e-3), path));
        radiance += passed * (Vec3::ONE - fresnel) * (surface.transmission * mix(0.55, 1.0, n_v));
    }
    radiance
}

/// The mirror image of the key light itself, as a factor on its irradiance.
fn highlight(surface: &Surface, light: &Light, at: &Incidence, toward: Vec3, n_l: f32) -> f32 {
    if n_l <= 0.0 {
        return 0.0;
    }
    let half = (toward + at.view).normalized();
    let alpha = (surface.roughness * surface.roughness).max(0.012 + 0.12 * light.softness);
    let stretch = (1.0 - 0.85 * surface.brushing).max(0.1).sqrt();
    let (along, across) = ((alpha * stretch).max(0.008), alpha / stretch);
    let tangent = (at.grain - at.n * at.n.dot(at.grain)).normalized();
    let (h_t, h_b, h_n) = (half.dot(tangent) / along, half.dot(at.n.cross(tangent)) / across, half.dot(at.n));
    let spread = h_t * h_t + h_b * h_b + h_n * h_n;
    let h_l = half.dot(toward).max(0.1);
    // GGX is normalized by pi, as Lambert's albedo is: the two cancel.
    (0.25 / (along * across * spread * spread * h_l * h_l)).min(40.0) * n_l
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::material::{Material, Soil, Substance};
    use crate::math::vec3;
    use crate::surface::{SurfacePoint, surface};

    fn radiance(substance: Substance, color: Rgb, view: Vec3, lit: f32) -> Rgb {
        let light = Light {
            azimuth_rad: 0.0,
            elevation_rad: 0.8,
            intensity: 1.0,
            color: Vec3::ONE,
            ambient: 0.2,
            ambient_color: Vec3::ONE,
            softness: 0.1,
        };
        let soil = Soil { coverage: 0.0, color: Vec3::ZERO, wetness: 0.0, frequency: 1.0 };
        let material = Material { substance, print: None, coat: None, soil, seed: 1 };
        let found =
            surface(&material, color, SurfacePoint { p: vec3(0.3, 0.2, 0.1), chart: [0.3, 0.2], footprint: 0.01 });
        let floor = Vec3::splat(0.3);
        let at = Incidence {
            n: Vec3::UP,
            view: view.normalized(),
            grain: vec3(1.0, 0.0, 0.0),
            lit: Vec3::splat(lit),
            open: 1.0,
            floor,
            behind: floor,
        };
        shade(&found, &light, &at)
    }

    #[test]
    fn metal_mirrors_the_light_in_one_direction_and_paper_scatters_it_in_all() {
        let (mirror, aside) = (vec3(-1.0, 0.0, 1.0), vec3(0.5, 1.0, 0.7));
        let ratio = |substance: &Substance| {
            let seen = |view| radiance(substance.clone(), Vec3::splat(0.7), view, 1.0).luminance();
            seen(mirror) / seen(aside)
        };
        let metal = ratio(&Substance::Metal { roughness: 0.2, brushing: 0.0, rust: 0.0 });
        let paper = ratio(&Substance::Paper { fibre: 0.2, gloss: 0.0 });
        assert!(metal > 5.0, "{metal}");
        assert!((0.7..1.6).contains(&paper), "{paper}");
    }

    #[test]
    fn green_glass_lets_green_light_through() {
        let glass = Substance::Glass { clarity: 0.9, density: 1.0, roughness: 0.0 };
        let seen = radiance(glass, vec3(0.1, 0.7, 0.1), vec3(0.0, 0.3, 1.0), 0.0);
        assert!(seen.y > 1.5 * seen.x, "{seen:?}");
    }

    #[test]
    fn a_shadow_is_darker() {
        let paper = || Substance::Paper { fibre: 0.2, gloss: 0.0 };
        let at = |lit| radiance(paper(), Vec3::splat(0.7), Vec3::UP, lit).luminance();
        assert!(at(0.0) < 0.6 * at(1.0));
    }
}
