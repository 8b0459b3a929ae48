//! The lights: one soft key light, and the room around it, which glossy things mirror.

use serde::{Deserialize, Serialize};

use super::math::{Rgb, Vec3, cos, mix, mix3, sin, smoothstep, vec3};

/// The key light and the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Light {
    /// Direction the key light comes from, about the vertical.
    pub azimuth_rad: f32,
    /// Height of the key light above the horizon.
    pub elevation_rad: f32,
    /// Strength of the key light; 1 shows a white surface as white at exposure 0.
    pub intensity: f32,
    /// Color of the key light.
    pub color: Rgb,
    /// Strength of the light from everywhere.
    pub ambient: f32,
    /// Color of the light from everywhere.
    pub ambient_color: Rgb,
    /// Angular size of the key light: 0.05 casts hard shadows, 0.6 hardly any.
    pub softness: f32,
}

impl Light {
    /// Toward the key light, a unit vector.
    #[inline]
    pub(super) fn toward(&self) -> Vec3 {
        let level = cos(self.elevation_rad);
        vec3(level * cos(self.azimuth_rad), level * sin(self.azimuth_rad), sin(self.elevation_rad))
    }

    #[inline]
    pub(super) fn key(&self) -> Rgb {
        self.color * self.intensity
    }

    /// What a matt surface of normal `n` receives from everywhere; the floor, of mean color `floor`, gives some back.
    #[inline]
    pub(super) fn around(&self, n: Vec3, floor: Rgb) -> Rgb {
        let up = n.z * 0.5 + 0.5;
        let bounce = floor * (self.ambient_color * self.ambient + self.key() * self.toward().z) * 0.45;
        mix3(bounce, self.ambient_color * self.ambient, up)
    }

    /// What a mirror of the given roughness shows in direction `d`: floor, walls, ceiling, the key light's window and a
    /// strip light opposite.
    #[inline]
    pub(super) fn mirrored(&self, d: Vec3, roughness: f32, floor: Rgb) -> Rgb {
        let spread = 0.06 + 0.9 * roughness;
        let above = smoothstep(-spread, spread, d.z);
        let walls = self.ambient_color * (self.ambient * mix(0.35, 1.25, smoothstep(0.0, 1.0, d.z)));
        let ground = floor * (self.ambient_color * self.ambient + self.key() * self.toward().z * 0.6);
        let toward = self.toward();
        let near_key = d.dot(toward);
        let width = self.softness * 0.35 + 0.06;
        let window = smoothstep(1.0 - width - spread * 0.5, 1.0 - width * 0.5 + spread * 0.02, near_key);
        let across = (d.x * toward.y - d.y * toward.x).abs();
        let opposite = smoothstep(0.1, 0.5, -(d.x * toward.x + d.y * toward.y));
        let strip = (1.0 - smoothstep(0.1, 0.16 + spread, across)) * opposite * smoothstep(0.05, 0.3, d.z);
        let lamps = self.key() * (window * mix(2.2, 0.5, roughness) + strip * mix(0.7, 0.2, roughness));
        mix3(ground, walls + lamps, above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn light() -> Light {
        Light {
            azimuth_rad: 0.3,
            elevation_rad: 0.9,
            intensity: 1.0,
            color: Vec3::ONE,
            ambient: 0.3,
            ambient_color: Vec3::ONE,
            softness: 0.2,
        }
    }

    #[test]
    fn a_smooth_mirror_shows_the_key_light_and_a_rough_one_smears_it() {
        let (light, floor) = (light(), Vec3::splat(0.3));
        let aside = vec3(-light.toward().y, light.toward().x, 0.6).normalized();
        let contrast = |roughness| {
            let seen = |d| light.mirrored(d, roughness, floor).luminance();
            seen(light.toward()) / seen(aside)
        };
        assert!(contrast(0.0) > 4.0, "{}", contrast(0.0));
        assert!(contrast(0.9) < 0.7 * contrast(0.0), "{}", contrast(0.9));
    }

    #[test]
    fn a_bright_floor_lights_what_faces_it() {
        let down = vec3(0.0, 0.0, -1.0);
        let light = light();
        assert!(light.around(down, Vec3::splat(0.8)).x > 2.0 * light.around(down, Vec3::splat(0.2)).x);
    }
}
