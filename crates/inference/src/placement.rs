//! Which layers of a model go to which of its devices.

use std::ops::Range;

use crate::device::DeviceSpec;

/// Bytes of a model's weights, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelBytes {
    /// The embedding, which is on the first device.
    pub embedding: u64,
    /// Each layer.
    pub layers: Vec<u64>,
    /// The final norm and the output layer, which are on the last device.
    pub output: u64,
}

/// What a device offers, and what it takes there beside weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The device.
    pub device: DeviceSpec,
    /// Bytes that are free; none where that is not known.
    pub free: Option<u64>,
    /// Bytes of the keys and values of one layer.
    pub layer_cache: u64,
    /// Bytes that are wanted whatever it holds.
    pub working: u64,
}

/// What one device holds of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceShare {
    /// The device.
    pub device: DeviceSpec,
    /// Its layers, at least one.
    pub layers: Range<usize>,
    /// Bytes of weights.
    pub weights: u64,
    /// Most bytes of keys and values.
    pub cache: u64,
    /// Bytes that are wanted besides.
    pub working: u64,
    /// Bytes that are free; none where that is not known.
    pub free: Option<u64>,
}

/// A model over its devices: one share per device, their layers consecutive and complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    shares: Vec<DeviceShare>,
    /// Tokens whose keys and values there is room for; none where that is not known.
    cached_tokens: Option<usize>,
}

impl Placement {
    /// Splits the layers over `rooms`, in order, in proportion to the memory that is free; equally where that is not
    /// known of every device. Every device gets at least one layer.
    ///
    /// Where some split keeps within what is free, this one does; [`check`](Self::check) tells where none does.
    ///
    /// # Errors
    /// For fewer layers than devices.
    pub fn new(model: &ModelBytes, rooms: &[Room]) -> Result<Self, PlacementError> {
        let layers = model.layers.len();
        if layers < rooms.len() || rooms.is_empty() {
            return Err(PlacementError::TooFewLayers { layers, devices: rooms.len() });
        }
        let costs = LayerCosts::new(model, rooms);
        let ends = costs.split(true).unwrap_or_else(|| costs.split(false).unwrap_or_default());
        let mut from = 0;
        let shares = rooms.iter().zip(ends).enumerate().map(|(index, (room, to))| {
            let layers = std::mem::replace(&mut from, to)..to;
            DeviceShare {
                device: room.device,
                weights: costs.weights(index, layers.clone()),
                cache: room.layer_cache * layers.len() as u64,
                working: room.working,
                free: room.free,
                layers,
            }
        });
        Ok(Self { shares: shares.collect(), cached_tokens: None })
    }

    /// With room for the keys and values of so many tokens in all shares' caches together.
    #[must_use]
    pub fn with_cached_tokens(mut self, tokens: usize) -> Self {
        self.cached_tokens = Some(tokens);
        self
    }

    /// Tokens whose keys and values there is room for; none where that is not known.
    pub fn cached_tokens(&self) -> Option<usize> {
        self.cached_tokens
    }

    /// What each device holds, in the order of the layers.
    pub fn shares(&self) -> &[DeviceShare] {
        &self.shares
    }

    /// By layer, the index of its device.
    pub fn by_layer(&self) -> Vec<usize> {
        let shares = self.shares.iter().enumerate();
        shares.flat_map(|(device, share)| std::iter::repeat_n(device, share.layers.len())).collect()
    }

    /// Whether every device has room for its share.
    ///
    /// # Errors
    /// For the first device that has not, where its memory is known.
    pub fn check(&self) -> Result<(), PlacementError> {
        match self.shares.iter().find_map(|share| Some((share, share.free.filter(|free| share.needed() > *free)?))) {
            Some((share, free)) => Err(PlacementError::DoesNotFit {
                device: share.device,
                layers: share.layers.clone(),
                needed: share.needed(),
                free,
            }),
            None => Ok(()),
        }
    }
}

impl DeviceShare {
    /// All bytes that it wants.
    pub fn needed(&self) -> u64 {
        self.weights + self.cache + self.working
    }
}

/// What ranges of layers cost.
struct LayerCosts<'a> {
    rooms: &'a [Room],
    embedding: u64,
    output: u64,
    /// Bytes of the layers before each, and of all.
    before: Vec<u64>,
    /// The part of the model that each device should get, up to a common factor.
    shares: Vec<f64>,
}

impl<'a> LayerCosts<'a> {
    fn new(model: &ModelBytes, rooms: &'a [Room]) -> Self {
        let mut before = vec![0];
        for bytes in &model.layers {
            before.push(before[before.len() - 1] + bytes);
        }
        let known: Option<Vec<u64>> = rooms.iter().map(|room| Some(room.free?.saturating_sub(room.working))).collect();
        let shares =
            known.map_or_else(|| vec![1.0; rooms.len()], |free| free.iter().map(|&b| b.max(1) as f64).collect());
        Self { rooms, embedding: model.embedding, output: model.output, before, shares }
    }

    /// Bytes of the weights of `layers` on the device at `index`.
    fn weights(&self, index: usize, layers: Range<usize>) -> u64 {
        let first = if index == 0 { self.embedding } else { 0 };
        let last = if index + 1 == self.rooms.len() { self.output } else { 0 };
        first + self.before[layers.end] - self.before[layers.start] + last
    }

    /// How far the device at `index` would be from its part; none where it has to be within its memory and is not.
    ///
    /// The sum of load^2 / share over all devices, at a given sum of loads, is least where loads are in proportion.
    fn penalty(&self, index: usize, layers: Range<usize>, within: bool) -> Option<f64> {
        let room = &self.rooms[index];
        let load = room.layer_cache * layers.len() as u64 + self.weights(index, layers);
        let fits = room.free.is_none_or(|free| load + room.working <= free);
        (fits || !within).then(|| (load as f64).powi(2) / self.shares[index])
    }

    /// Ends of the devices' ranges with the least penalty, the earlier end first among equals; none where no split
    /// keeps within memory.
    fn split(&self, within: bool) -> Option<Vec<usize>> {
        let (devices, layers) = (self.rooms.len(), self.before.len() - 1);
        // best[to]: least penalty of the devices so far with the layers before `to`.
        let mut best: Vec<Option<f64>> = vec![None; layers + 1];
        best[0] = Some(0.0);
        let mut starts = Vec::with_capacity(devices);
        for index in 0..devices {
            let mut next = vec![None; layers + 1];
            let mut from = vec![0; layers + 1];
            for to in index + 1..=layers {
                for (start, before) in best.iter().enumerate().take(to).skip(index) {
                    let penalty = before.zip(self.penalty(index, start..to, within)).map(|(a, b)| a + b);
                    if penalty.is_some_and(|penalty| next[to].is_none_or(|least| penalty < least)) {
                        (next[to], from[to]) = (penalty, start);
                    }
                }
            }
            best = next;
            starts.push(from);
        }
        best[layers]?;
        let mut ends = vec![layers; devices];
        for index in (1..devices).rev() {
            ends[index - 1] = starts[index][ends[index]];
        }
        Some(ends)
    }
}

/// A model that cannot be split over its devices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// Some device would stay empty.
    #[error("{layers} layers cannot be split over {devices} devices: each has to hold at least one")]
    TooFewLayers {
        /// Layers of the model.
        layers: usize,
        /// Devices of the list.
        devices: usize,
    },
    /// A device has too little memory.
    #[error(
        "device `{device}` would need {} for layers {} to {} with their keys and values, but has {} free",
        gigabytes(*needed), layers.start, layers.end - 1, gigabytes(*free)
    )]
    DoesNotFit {
        /// The device.
        device: DeviceSpec,
        /// The layers that it would hold.
        layers: Range<usize>,
        /// Bytes that they want.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(free: &[Option<u64>]) -> Vec<Room> {
        let room = |(index, free): (usize, &Option<u64>)| Room {
            device: DeviceSpec::Cuda(index),
            free: *free,
            layer_cache: 0,
            working: 0,
        };
        free.iter().enumerate().map(room).collect()
    }

    fn ranges(placement: &Placement) -> Vec<Range<usize>> {
        placement.shares().iter().map(|share| share.layers.clone()).collect()
    }

    #[test]
    fn layers_are_split_in_proportion_to_memory_and_equally_where_it_is_not_known() {
        let model = ModelBytes { embedding: 0, layers: vec![10; 12], output: 0 };
        let split = |free: &[Option<u64>]| ranges(&Placement::new(&model, &rooms(free)).unwrap());
        assert_eq!(split(&[None, None, None]), [0..4, 4..8, 8..12]);
        assert_eq!(split(&[Some(1000), Some(3000), Some(2000)]), [0..2, 2..8, 8..12]);
        assert_eq!(split(&[Some(1000), None]), [0..6, 6..12]);
        // Neither 3, 3, 3, 3 nor anything else that leaves one short: the most even one.
        assert_eq!(split(&[None; 5]).iter().map(ExactSizeIterator::len).collect::<Vec<_>>(), [2, 2, 2, 3, 3]);
    }

    #[test]
    fn the_embedding_and_the_output_layer_count_on_the_ends() {
        let model = ModelBytes { embedding: 20, layers: vec![10; 8], output: 40 };
        let placement = Placement::new(&model, &rooms(&[None, None])).unwrap();
        assert_eq!(ranges(&placement), [0..5, 5..8]);
        assert_eq!(placement.shares().iter().map(|share| share.weights).collect::<Vec<_>>(), [70, 70]);
        assert_eq!(placement.by_layer(), [0, 0, 0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn one_device_holds_everything() {
        let model = ModelBytes { embedding: 1, layers: vec![2, 3], output: 4 };
        let placement = Placement::new(&model, &rooms(&[Some(10)])).unwrap();
        assert_eq!((placement.by_layer(), placement.shares()[0].weights), (vec![0, 0], 10));
        assert_eq!(placement.check(), Ok(()));
    }

    #[test]
    fn a_split_that_fits_is_found_though_the_most_even_one_does_not() {
        // In proportion the first would get one of the big layers, for which it has no room.
        let model = ModelBytes { embedding: 0, layers: vec![10, 60, 60], output: 0 };
        let placement = Placement::new(&model, &rooms(&[Some(65), Some(125)])).unwrap();
        assert_eq!(ranges(&placement), [0..1, 1..3]);
        assert_eq!(placement.check(), Ok(()));
    }

    #[test]
    fn a_device_without_room_is_named_with_what_it_needs_and_has() {
        let model = ModelBytes { embedding: 0, layers: vec![10_000_000_000; 4], output: 0 };
        let mut rooms = rooms(&[None, Some(19_000_000_000)]);
        rooms[1].working = 500_000_000;
        rooms[1].layer_cache = 1_000_000_000;
        let error = Placement::new(&model, &rooms[1..]).unwrap().check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "device `cuda:1` would need 44.50 GB for layers 0 to 3 with their keys and values, but has 19.00 GB free"
        );
        // With a device of unknown size beside it there is room.
        let both = Placement::new(&model, &rooms).unwrap();
        assert_eq!((both.check(), ranges(&both)), (Ok(()), vec![0..3, 3..4]));
    }

    #[test]
    fn a_72b_model_in_bfloat16_is_on_two_cards_of_80_gb_and_fits_no_single_one() {
        // Qwen1.5-72B: 80 layers, an output layer of its own, keys and values of 64 heads; 4096 tokens of them.
        let model = ModelBytes { embedding: 2_491_416_576, layers: vec![1_744_912_384; 80], output: 2_491_432_960 };
        let card = |index| Room {
            device: DeviceSpec::Cuda(index),
            free: Some(84_500_000_000),
            layer_cache: 4096 * 2 * 64 * 128 * 2,
            working: 2 << 30,
        };
        let two = Placement::new(&model, &[card(0), card(1)]).unwrap();
        assert_eq!((ranges(&two), two.check()), (vec![0..40, 40..80], Ok(())));
        assert!(Placement::new(&model, &[card(0)]).unwrap().check().is_err());
    }

    #[test]
    fn more_devices_than_layers_are_refused() {
        let model = ModelBytes { embedding: 1, layers: vec![1; 2], output: 1 };
        for free in [&[None; 3][..], &[]] {
            let error = Placement::new(&model, &rooms(free)).unwrap_err();
            assert_eq!(error, PlacementError::TooFewLayers { layers: 2, devices: free.len() });
        }
    }

    /// Every way to cut `layers` into `devices` ranges.
    fn every_split(layers: usize, devices: usize) -> Vec<Vec<usize>> {
        if devices == 1 {
            return vec![vec![layers]];
        }
        let shorter = (devices - 1..layers).flat_map(|end| every_split(end, devices - 1));
        shorter.map(|ends| ends.into_iter().chain([layers]).collect()).collect()
    }

    #[test]
    fn any_split_is_contiguous_complete_uses_every_device_and_fits_where_some_split_fits() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let (mut fitting, mut not_fitting) = (0, 0);
        for _ in 0..2000 {
            let devices = 1 + random(4) as usize;
            let layers = devices + random(7) as usize;
            let model = ModelBytes {
                embedding: random(50),
                layers: (0..layers).map(|_| 1 + random(40)).collect(),
                output: random(50),
            };
            let mut rooms = rooms(&vec![None; devices]);
            for room in &mut rooms {
                room.free = (random(5) > 0).then(|| random(300));
                room.layer_cache = random(5);
                room.working = random(10);
            }
            let placement = Placement::new(&model, &rooms).unwrap();
            let split = ranges(&placement);
            assert_eq!((split[0].start, split[split.len() - 1].end), (0, layers));
            assert!(split.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(split.len() == devices && split.iter().all(|range| !range.is_empty()));
            let total: u64 = model.embedding + model.output + model.layers.iter().sum::<u64>();
            assert_eq!(placement.shares().iter().map(|share| share.weights).sum::<u64>(), total);

            let costs = LayerCosts::new(&model, &rooms);
            let fits = |ends: &Vec<usize>| {
                let starts = [0].into_iter().chain(ends.iter().copied());
                starts.zip(ends).enumerate().all(|(index, (from, &to))| costs.penalty(index, from..to, true).is_some())
            };
            let possible = every_split(layers, devices).iter().any(fits);
            assert_eq!(placement.check().is_ok(), possible, "{model:?} {rooms:?}");
            *(if possible { &mut fitting } else { &mut not_fitting }) += 1;
        }
        assert!(fitting > 200 && not_fitting > 200, "{fitting} {not_fitting}");
    }
}
