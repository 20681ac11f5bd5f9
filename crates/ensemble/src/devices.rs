//! Members on different devices compute at the same time.

use gac_inference::LanguageModel;

use crate::member::Member;

/// Splits `asked`, places of members, into waves: the members of a wave have no device in common.
///
/// Waves follow one another: members on one device would only wait for each other, and members on one processor for
/// its cores. Each member is in the first wave that has room for it, and a wave keeps the members' order.
pub(crate) fn waves(members: &[Member], asked: &[usize]) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for &member in asked {
        let devices = members[member].model.devices();
        let free = |wave: &&mut Vec<usize>| {
            wave.iter().all(|&other| !members[other].model.devices().iter().any(|device| devices.contains(device)))
        };
        match waves.iter_mut().find(free) {
            Some(wave) => wave.push(member),
            None => waves.push(vec![member]),
        }
    }
    waves
}

/// Does `work` with each job on the model of its member, all at the same time; results in the order of `jobs`, whose
/// members ascend. A single job stays on this thread.
pub(crate) fn at_once<J: Send, T: Send>(
    members: &mut [Member],
    jobs: Vec<(usize, J)>,
    work: impl Fn(&mut dyn LanguageModel, J) -> T + Sync,
) -> Vec<T> {
    let mut jobs = jobs.into_iter().peekable();
    let mut with_models = Vec::with_capacity(jobs.len());
    for (index, member) in members.iter_mut().enumerate() {
        if let Some((_, job)) = jobs.next_if(|(member, _)| *member == index) {
            with_models.push((&mut *member.model, job));
        }
    }
    let mut with_models = with_models.into_iter();
    let Some((model, job)) = with_models.next() else { return Vec::new() };
    if with_models.len() == 0 {
        return vec![work(model, job)];
    }
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = with_models.map(|(model, job)| scope.spawn(move || work(model, job))).collect();
        let mut results = vec![work(model, job)];
        for other in others {
            results.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gac_inference::DeviceList;
    use gac_inference::testkit::{ScriptedModel, tokenizer};

    use super::*;

    fn member(devices: &str) -> Member {
        let devices: DeviceList = devices.parse().unwrap();
        let model = Box::new(ScriptedModel::new(1, |_| Vec::new()).on(devices));
        Member { name: String::new(), model, tokenizer: Arc::new(tokenizer(&["a"], &[])) }
    }

    fn members(devices: &[&str]) -> Vec<Member> {
        devices.iter().map(|devices| member(devices)).collect()
    }

    #[test]
    fn members_without_a_common_device_are_in_one_wave() {
        let waves = |devices: &[&str]| waves(&members(devices), &(0..devices.len()).collect::<Vec<_>>());
        assert_eq!(waves(&["cpu", "cpu", "cpu"]), [[0], [1], [2]]);
        assert_eq!(waves(&["cuda:0,cuda:1", "cuda:2,cuda:3"]), [[0, 1]]);
        assert_eq!(waves(&["cuda:0,cuda:1", "cuda:1,cuda:2", "cpu"]), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn members_that_are_not_asked_keep_nobody_waiting() {
        let members = members(&["cuda:0", "cuda:0", "cuda:1"]);
        assert_eq!(waves(&members, &[1, 2]), [[1, 2]]);
    }

    #[test]
    fn results_are_in_the_order_of_members_whoever_is_done_first() {
        let mut members = members(&["cuda:0", "cuda:1", "cuda:2"]);
        let jobs = vec![(0, 30), (2, 0)];
        let results = at_once(&mut members, jobs, |model, wait| {
            std::thread::sleep(std::time::Duration::from_millis(wait));
            (model.devices()[0].to_string(), wait)
        });
        assert_eq!(results, [("cuda:0".to_owned(), 30), ("cuda:2".to_owned(), 0)]);
    }
}
