//! Files that real servers wrote (`tests/compat/rdb/`): loaded by our server, they give the keys
//! and the `DEBUG DIGEST` that Redis 7.0.15 shows for the same data. What we then save, Redis loads.

use std::path::Path;

use crate::support::{Program, Server, redis_is_installed};

/// Keys and keys with a deadline of a database.
type Sizes = (usize, usize);

/// Which databases the files have data in.
const DATABASES: [u32; 4] = [0, 1, 9, 15];

struct Captured {
    file: &'static str,
    digest: &'static str,
    libraries: usize,
    sizes: [Sizes; 4],
}

impl Captured {
    fn bytes(&self) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/rdb");
        std::fs::read(folder.join(self.file)).expect("it is part of the tests")
    }

    fn check(&self, server: &Server) {
        for (db, (keys, expires)) in DATABASES.into_iter().zip(self.sizes) {
            let said = server.info(&format!("db{db}"));
            let expected = format!("keys={keys},expires={expires},");
            assert!(said.starts_with(&expected), "db{db} has {said}, not {expected}");
        }
        assert_eq!(server.digest(), self.digest);
        let libraries: Vec<redis::Value> = server.query(&["FUNCTION", "LIST"]);
        assert_eq!(libraries.len(), self.libraries);
    }

    /// Starts a server with this file.
    fn load(&self, program: Program, file: &[u8]) -> Server {
        let mut server = Server::prepare(program);
        server.configure(&[]);
        std::fs::write(server.dir().join("dump.rdb"), file).expect("written");
        server.launch();
        self.check(&server);
        server
    }

    fn carry(&self) {
        let ours = self.load(Program::Ours, &self.bytes());
        ours.query::<()>(&["DEBUG", "RELOAD"]);
        self.check(&ours);
        if redis_is_installed(self.file) {
            let saved = std::fs::read(ours.dir().join("dump.rdb")).expect("saved by the reload");
            self.load(Program::Redis, &saved);
        }
    }
}

macro_rules! captured {
    ($($test:ident: $file:literal $digest:literal $libraries:literal $sizes:expr;)*) => {
        $(
            #[test]
            fn $test() {
                let (file, digest, sizes) = ($file, $digest, $sizes);
                Captured { file, digest, libraries: $libraries, sizes }.carry();
            }
        )*
    };
}

captured! {
    redis_7_0_15_basic_types: "redis-7.0.15-basic-types.rdb"
        "6181590781cb6020afbc33744b481170b7b24da3" 0 [(67, 9), (67, 12), (67, 15), (67, 8)];
    redis_7_0_15_all_types: "redis-7.0.15-all-types.rdb"
        "2d8da0ae2d4a488bb47bb7d47edc1c236f328297" 1 [(69, 11), (69, 7), (69, 16), (69, 16)];
    redis_7_0_15_no_compression_lfu: "redis-7.0.15-no-compression-lfu.rdb"
        "6f12d36d9d4d695670e4e07606badbee0cd36853" 1 [(69, 12), (69, 7), (69, 9), (69, 15)];
    redis_7_0_15_lru_no_checksum: "redis-7.0.15-lru-no-checksum.rdb"
        "2f35a5e4589bbcc5e92c7c3077e99a10ec2ca712" 1 [(69, 17), (69, 9), (69, 10), (69, 12)];
    redis_7_0_15_large_encodings: "redis-7.0.15-large-encodings.rdb"
        "45fe22ed39744fd31879c497e9e712b708dd9f9d" 1 [(69, 13), (69, 22), (69, 10), (69, 11)];
    // The digest is Redis's of the same data: Valkey writes scores differently into its own.
    valkey_8_0_1_all_types: "valkey-8.0.1-all-types.rdb"
        "a75213c78175e2ae27c78d88ff0eafe288bdca08" 1 [(69, 11), (69, 16), (69, 14), (69, 9)];
}
