// The ring-message test in Rust, on async-executor, the scheduler inside async-std and smol. P threads run an executor
// each, with the tasks of their rings. A mailbox is a counter and a waker, and takes at most a third of the time of a
// channel of async-std on the same executor. The protocol is in cycle.hpp.
use async_executor::LocalExecutor;
use futures_lite::future::block_on;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::process::exit;
use std::rc::Rc;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

const USAGE: &str = "usage: cycle-rust N R M D P
R rings of N tasks send a message around in each of M rounds; each task holds D bytes across its
waits; P threads share the rings. Prints: ok MESSAGES NANOSECONDS";

// The size of a task is fixed at compile time: the live bytes are the first `dead` of it.
const MOST_DEAD: usize = 10000;
const BYTES_OF_A_TASK: usize = 640;

#[derive(Clone, Copy)]
struct Size {
    tasks: usize,
    rings: usize,
    rounds: usize,
    dead: usize,
    threads: usize,
}

// Of one thread and one taker.
#[derive(Default)]
struct Mailbox {
    messages: Cell<usize>,
    waiter: Cell<Option<Waker>>,
}

impl Mailbox {
    fn post(&self) {
        self.messages.set(self.messages.get() + 1);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    fn take(&self) -> Take<'_> {
        Take(self)
    }
}

struct Take<'a>(&'a Mailbox);

impl Future for Take<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.0.messages.get() {
            0 => {
                self.0.waiter.set(Some(context.waker().clone()));
                Poll::Pending
            }
            messages => {
                self.0.messages.set(messages - 1);
                Poll::Ready(())
            }
        }
    }
}

// What is wrong with the answer, if anything.
type Outcome = Result<(), String>;

async fn play<const CAPACITY: usize>(size: Size, ring: Rc<[Mailbox]>, index: usize) -> Outcome {
    let mark = (index * 37 + 11) as u8;
    let mut dead = [0u8; CAPACITY];
    dead[..size.dead].fill(mark);

    let (own, next) = (&ring[index], &ring[(index + 1) % size.tasks]);
    let (mut taken, mut starter) = (0, 0); // starter is round % N
    for _ in 0..size.rounds {
        if starter == index {
            next.post();
            own.take().await;
        } else {
            own.take().await;
            next.post();
        }
        taken += 1;
        starter = if starter + 1 == size.tasks { 0 } else { starter + 1 };
    }
    if taken != size.rounds {
        return Err(format!("a task took {} messages, not {}", taken, size.rounds));
    }
    if dead[..size.dead].iter().any(|&byte| byte != mark) {
        return Err("live bytes of a task are overwritten".to_string());
    }
    Ok(())
}

// Runs the rings of one thread, from when all threads have theirs; tells when it began and ended.
fn run_thread<const CAPACITY: usize>(size: Size, rings: usize, begin: &Barrier) -> Result<(Instant, Instant), String> {
    let executor = LocalExecutor::new();
    let mut mailboxes = Vec::new();
    let mut players = Vec::new();
    for _ in 0..rings {
        let ring: Rc<[Mailbox]> = (0..size.tasks).map(|_| Mailbox::default()).collect();
        for index in 0..size.tasks {
            players.push(executor.spawn(play::<CAPACITY>(size, ring.clone(), index)));
        }
        mailboxes.push(ring);
    }
    begin.wait();
    let began = Instant::now();
    let outcome: Outcome = block_on(executor.run(async {
        let mut outcome = Ok(());
        for player in players {
            outcome = outcome.and(player.await);
        }
        outcome
    }));
    let ended = Instant::now();
    if mailboxes.iter().flat_map(|ring| ring.iter()).any(|mailbox| mailbox.messages.get() > 0) {
        return Err("messages are left in a mailbox".to_string());
    }
    outcome.map(|()| (began, ended))
}

fn run<const CAPACITY: usize>(size: Size) -> Result<u128, String> {
    require_memory(size, BYTES_OF_A_TASK + 2 * CAPACITY); // spawn() wraps a task in one that has room for two
    let begin = &Barrier::new(size.threads);
    std::thread::scope(|scope| {
        let first_ring = |thread| size.rings * thread / size.threads;
        let threads: Vec<_> = (0..size.threads)
            .map(|thread| first_ring(thread + 1) - first_ring(thread))
            .map(|rings| scope.spawn(move || run_thread::<CAPACITY>(size, rings, begin)))
            .collect();
        let mut times = Vec::new();
        for thread in threads {
            times.push(thread.join().expect("a thread panicked")?);
        }
        let began = times.iter().map(|time| time.0).min().expect("there is a thread");
        let ended = times.iter().map(|time| time.1).max().expect("there is a thread");
        Ok((ended - began).as_nanos())
    })
}

fn refuse(reason: &str) -> ! {
    eprintln!("{}", reason);
    exit(77)
}

// Refuses what would take more than half of the memory that is available.
fn require_memory(size: Size, bytes_per_task: usize) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or_default();
    let kibibytes: usize = line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    if size.tasks * size.rings > kibibytes * 512 / bytes_per_task {
        refuse(&format!(
            "{} tasks of about {} bytes do not fit into half of the available memory",
            size.tasks * size.rings,
            bytes_per_task
        ));
    }
}

fn parse_arguments(arguments: &[String]) -> Option<Size> {
    let numbers: Vec<usize> = arguments.iter().filter_map(|text| text.parse().ok()).collect();
    let [tasks, rings, rounds, dead, threads]: [usize; 5] = numbers.try_into().ok()?;
    let good = arguments.len() == 5
        && [tasks, rings, rounds, dead, threads].iter().all(|&number| number <= 1_000_000_000)
        && threads <= 1000
        && [tasks, rings, rounds, threads].iter().all(|&number| number > 0)
        && (tasks * rings).checked_mul(rounds).is_some();
    good.then_some(Size { tasks, rings, rounds, dead, threads })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["--help"] {
        println!("{}", USAGE);
        return;
    }
    let size = parse_arguments(&arguments).unwrap_or_else(|| {
        eprintln!("{}", USAGE);
        exit(2)
    });
    let result = match size.dead {
        0 => run::<0>(size),
        1..=256 => run::<256>(size),
        257..=1000 => run::<1000>(size),
        1001..=MOST_DEAD => run::<MOST_DEAD>(size),
        _ => refuse("this program was built for tasks of up to 10000 live bytes"),
    };
    match result {
        Ok(nanoseconds) => println!("ok {} {}", size.tasks * size.rings * size.rounds, nanoseconds),
        Err(reason) => {
            eprintln!("wrong: {}", reason);
            exit(1)
        }
    }
}
