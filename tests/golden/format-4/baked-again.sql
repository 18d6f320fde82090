BEGIN TRANSACTION;
CREATE TABLE ends (command TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,'r001','Opened','{"plan":{"run":"r001","kind":"run","candidate":"0.0.28-nightly.20260615.567","base":"0.0.28-nightly.20260614.560","moves":[{"person":"ann","old":"0.0.28-nightly.20260614.560","new":"0.0.28-nightly.20260615.567","restore":"","knows":null}],"bake":600.0,"attempts_max":3,"on_person_failure":"refuse","force":false,"staying":[],"everybody":["ann"],"baking":[],"ring":""},"at":"2026-06-16T03:00:01+00:00","type":"Opened"}');
INSERT INTO "events" VALUES(2,'r001','Started','{"seq":1,"effect":{"build":"0.0.28-nightly.20260615.567","ring":"","type":"Stage"},"at":"2026-06-16T03:00:01+00:00","type":"Started"}');
INSERT INTO "events" VALUES(3,'r001','Finished','{"seq":1,"answer":{"lock":"afd92a0d8d1bdedfdefb1fe63cc27867351bb4b1eda0bed0ff5f3a7184db6a65","platform":"linux-x86_64-glibc-node24","type":"Staged"},"at":"2026-06-16T03:00:21.002000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(4,'r001','Started','{"seq":2,"effect":{"person":"ann","snapshot":"r001.0002","type":"SnapshotOnline"},"at":"2026-06-16T03:00:21.002000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(5,'r001','Finished','{"seq":2,"answer":{"snapshot":"r001.0002","ledger":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"}]}]]},"size":45056,"migrated_by":"","type":"Snapshotted"},"at":"2026-06-16T03:00:21.505000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(6,'r001','Started','{"seq":3,"effect":{"build":"0.0.28-nightly.20260615.567","subjects":[{"person":"","snapshot":""},{"person":"ann","snapshot":"r001.0002"}],"type":"Rehearse"},"at":"2026-06-16T03:00:21.505000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(7,'r001','Finished','{"seq":3,"answer":{"rehearsals":[{"subject":"","build":"0.0.28-nightly.20260615.567","checks":[{"check":"identity","passed":true,"reason":"","notes":[]},{"check":"live","passed":true,"reason":"","notes":[]},{"check":"migrated","passed":true,"reason":"","notes":[]},{"check":"preserved","passed":true,"reason":"","notes":[]},{"check":"paired","passed":true,"reason":"","notes":[]},{"check":"contract","passed":true,"reason":"","notes":[]},{"check":"reopened","passed":true,"reason":"","notes":[]},{"check":"soak","passed":true,"reason":"","notes":[]}],"schema":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"}]}]]},"evidence":"","seconds":0.0},{"subject":"ann","build":"0.0.28-nightly.20260615.567","checks":[{"check":"identity","passed":true,"reason":"","notes":[]},{"check":"live","passed":true,"reason":"","notes":[]},{"check":"migrated","passed":true,"reason":"","notes":[]},{"check":"preserved","passed":true,"reason":"","notes":[]},{"check":"paired","passed":true,"reason":"","notes":[]},{"check":"contract","passed":true,"reason":"","notes":[]},{"check":"reopened","passed":true,"reason":"","notes":[]},{"check":"soak","passed":true,"reason":"","notes":[]}],"schema":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"}]}]]},"evidence":"","seconds":0.0}],"type":"Rehearsed"},"at":"2026-06-16T03:00:51.505000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(8,'r001','Started','{"seq":4,"effect":{"verdict":{"build":"0.0.28-nightly.20260615.567","ruling":"passed","reasons":[],"held_back":[],"in_production":false},"type":"RecordVerdict"},"at":"2026-06-16T03:00:51.505000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(9,'r001','Finished','{"seq":4,"answer":{"type":"Done"},"at":"2026-06-16T03:00:51.605000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(10,'r001','Started','{"seq":5,"effect":{"person":"ann","certain":false,"type":"Assess"},"at":"2026-06-16T03:00:51.605000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(11,'r001','Finished','{"seq":5,"answer":{"readiness":"idle","reason":"","type":"Assessed"},"at":"2026-06-16T03:00:51.705000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(12,'r001','Started','{"seq":6,"effect":{"person":"ann","build":"0.0.28-nightly.20260614.560","type":"Verify"},"at":"2026-06-16T03:00:51.705000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(13,'r001','Finished','{"seq":6,"answer":{"via":"dispatch","seconds":0.0,"type":"Paired"},"at":"2026-06-16T03:00:53.705000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(14,'r001','Started','{"seq":7,"effect":{"person":"ann","certain":false,"type":"Assess"},"at":"2026-06-16T03:00:53.705000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(15,'r001','Finished','{"seq":7,"answer":{"readiness":"idle","reason":"","type":"Assessed"},"at":"2026-06-16T03:00:53.805000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(16,'r001','Started','{"seq":8,"effect":{"person":"ann","type":"Fence"},"at":"2026-06-16T03:00:53.805000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(17,'r001','Finished','{"seq":8,"answer":{"type":"Done"},"at":"2026-06-16T03:00:53.906000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(18,'r001','Started','{"seq":9,"effect":{"person":"ann","type":"Stop"},"at":"2026-06-16T03:00:53.906000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(19,'r001','Finished','{"seq":9,"answer":{"type":"Done"},"at":"2026-06-16T03:00:54.508000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(20,'r001','Started','{"seq":10,"effect":{"person":"ann","snapshot":"r001.0010","build":"0.0.28-nightly.20260614.560","giving_up":false,"type":"SnapshotAtRest"},"at":"2026-06-16T03:00:54.508000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(21,'r001','Finished','{"seq":10,"answer":{"snapshot":"r001.0010","ledger":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"}]}]]},"size":86016,"migrated_by":"","type":"Snapshotted"},"at":"2026-06-16T03:00:55.011000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(22,'r001','Started','{"seq":11,"effect":{"person":"ann","build":"0.0.28-nightly.20260615.567","type":"Select"},"at":"2026-06-16T03:00:55.011000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(23,'r001','Finished','{"seq":11,"answer":{"type":"Done"},"at":"2026-06-16T03:00:55.112000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(24,'r001','Started','{"seq":12,"effect":{"person":"ann","type":"Start"},"at":"2026-06-16T03:00:55.112000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(25,'r001','Finished','{"seq":12,"answer":{"type":"Done"},"at":"2026-06-16T03:00:56.613000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(26,'r001','Started','{"seq":13,"effect":{"person":"ann","build":"0.0.28-nightly.20260615.567","type":"Verify"},"at":"2026-06-16T03:00:56.613000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(27,'r001','Finished','{"seq":13,"answer":{"via":"dispatch","seconds":0.0,"type":"Paired"},"at":"2026-06-16T03:00:58.613000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(28,'r001','Started','{"seq":14,"effect":{"people":["ann"],"build":"0.0.28-nightly.20260615.567","seconds":600.0,"type":"Bake"},"at":"2026-06-16T03:00:58.613000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(29,'r001','Finished','{"seq":14,"answer":{"person":"ann","fault":"environment","reason":"the dispatch does not answer","type":"BakeBroken"},"at":"2026-06-16T03:04:18.713000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(30,'r001','Started','{"seq":15,"effect":{"people":["ann"],"build":"0.0.28-nightly.20260615.567","type":"Revisit"},"at":"2026-06-16T03:04:18.713000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(31,'r001','Finished','{"seq":15,"answer":{"type":"Done"},"at":"2026-06-16T03:04:20.713000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(32,'r001','Started','{"seq":16,"effect":{"people":["ann"],"pinned":["r001.0010"],"type":"Prune"},"at":"2026-06-16T03:04:20.713000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(33,'r001','Finished','{"seq":16,"answer":{"type":"Done"},"at":"2026-06-16T03:04:20.713000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(34,'r001','Closed','{"ended":{"outcome":"later","reason":"not promoted, the bake was cut off: the dispatch does not answer"},"at":"2026-06-16T03:04:20.713000+00:00","type":"Closed"}');
INSERT INTO "events" VALUES(35,'r002','Opened','{"plan":{"run":"r002","kind":"bake","candidate":"0.0.28-nightly.20260615.567","base":"0.0.28-nightly.20260614.560","moves":[],"bake":600.0,"attempts_max":3,"on_person_failure":"refuse","force":false,"staying":[],"everybody":["ann"],"baking":["ann"],"ring":""},"at":"2026-06-16T03:04:21.713000+00:00","type":"Opened"}');
INSERT INTO "events" VALUES(36,'r002','Started','{"seq":1,"effect":{"people":["ann"],"build":"0.0.28-nightly.20260615.567","seconds":600.0,"type":"Bake"},"at":"2026-06-16T03:04:21.713000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(37,'r002','Finished','{"seq":1,"answer":{"type":"Done"},"at":"2026-06-16T03:14:21.813000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(38,'r002','Started','{"seq":2,"effect":{"build":"0.0.28-nightly.20260615.567","everybody":["ann"],"type":"Promote"},"at":"2026-06-16T03:14:21.813000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(39,'r002','Finished','{"seq":2,"answer":{"type":"Done"},"at":"2026-06-16T03:14:21.916000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(40,'r002','Started','{"seq":3,"effect":{"people":["ann"],"pinned":[],"type":"Prune"},"at":"2026-06-16T03:14:21.916000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(41,'r002','Finished','{"seq":3,"answer":{"type":"Done"},"at":"2026-06-16T03:14:21.916000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(42,'r002','Closed','{"ended":{"outcome":"promoted","reason":"0.0.28-nightly.20260615.567: baked ann"},"at":"2026-06-16T03:14:21.916000+00:00","type":"Closed"}');
INSERT INTO "events" VALUES(43,'r003','Opened','{"plan":{"run":"r003","kind":"run","candidate":"0.0.28-nightly.20260616.571","base":"0.0.28-nightly.20260615.567","moves":[{"person":"ann","old":"0.0.28-nightly.20260615.567","new":"0.0.28-nightly.20260616.571","restore":"","knows":null}],"bake":600.0,"attempts_max":3,"on_person_failure":"refuse","force":false,"staying":[],"everybody":["ann"],"baking":[],"ring":""},"at":"2026-06-17T03:14:22.916000+00:00","type":"Opened"}');
INSERT INTO "events" VALUES(44,'r003','Started','{"seq":1,"effect":{"build":"0.0.28-nightly.20260616.571","ring":"","type":"Stage"},"at":"2026-06-17T03:14:22.916000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(45,'r003','Finished','{"seq":1,"answer":{"lock":"d587b1c72b1daeb14f42fea2f2e895fb381fc96cdceffd954da6632115072116","platform":"linux-x86_64-glibc-node24","type":"Staged"},"at":"2026-06-17T03:14:42.918000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(46,'r003','Started','{"seq":2,"effect":{"person":"ann","snapshot":"r003.0002","type":"SnapshotOnline"},"at":"2026-06-17T03:14:42.918000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(47,'r003','Finished','{"seq":2,"answer":{"snapshot":"r003.0002","ledger":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"}]}]]},"size":167936,"migrated_by":"","type":"Snapshotted"},"at":"2026-06-17T03:14:43.421000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(48,'r003','Started','{"seq":3,"effect":{"build":"0.0.28-nightly.20260616.571","subjects":[{"person":"","snapshot":""},{"person":"ann","snapshot":"r003.0002"}],"type":"Rehearse"},"at":"2026-06-17T03:14:43.421000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(49,'r003','Finished','{"seq":3,"answer":{"rehearsals":[{"subject":"","build":"0.0.28-nightly.20260616.571","checks":[{"check":"identity","passed":true,"reason":"","notes":[]},{"check":"live","passed":true,"reason":"","notes":[]},{"check":"migrated","passed":true,"reason":"","notes":[]},{"check":"preserved","passed":true,"reason":"","notes":[]},{"check":"paired","passed":true,"reason":"","notes":[]},{"check":"contract","passed":true,"reason":"","notes":[]},{"check":"reopened","passed":true,"reason":"","notes":[]},{"check":"soak","passed":true,"reason":"","notes":[]}],"schema":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"},{"id":33,"name":"Step33"}]}]]},"evidence":"","seconds":0.0},{"subject":"ann","build":"0.0.28-nightly.20260616.571","checks":[{"check":"identity","passed":true,"reason":"","notes":[]},{"check":"live","passed":true,"reason":"","notes":[]},{"check":"migrated","passed":true,"reason":"","notes":[]},{"check":"preserved","passed":true,"reason":"","notes":[]},{"check":"paired","passed":true,"reason":"","notes":[]},{"check":"contract","passed":true,"reason":"","notes":[]},{"check":"reopened","passed":true,"reason":"","notes":[]},{"check":"soak","passed":true,"reason":"","notes":[]}],"schema":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"},{"id":33,"name":"Step33"}]}]]},"evidence":"","seconds":0.0}],"type":"Rehearsed"},"at":"2026-06-17T03:15:13.421000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(50,'r003','Started','{"seq":4,"effect":{"verdict":{"build":"0.0.28-nightly.20260616.571","ruling":"passed","reasons":[],"held_back":[],"in_production":false},"type":"RecordVerdict"},"at":"2026-06-17T03:15:13.421000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(51,'r003','Finished','{"seq":4,"answer":{"type":"Done"},"at":"2026-06-17T03:15:13.521000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(52,'r003','Started','{"seq":5,"effect":{"person":"ann","certain":false,"type":"Assess"},"at":"2026-06-17T03:15:13.521000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(53,'r003','Finished','{"seq":5,"answer":{"readiness":"idle","reason":"","type":"Assessed"},"at":"2026-06-17T03:15:13.621000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(54,'r003','Started','{"seq":6,"effect":{"person":"ann","build":"0.0.28-nightly.20260615.567","type":"Verify"},"at":"2026-06-17T03:15:13.621000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(55,'r003','Finished','{"seq":6,"answer":{"via":"dispatch","seconds":0.0,"type":"Paired"},"at":"2026-06-17T03:15:15.621000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(56,'r003','Started','{"seq":7,"effect":{"person":"ann","certain":false,"type":"Assess"},"at":"2026-06-17T03:15:15.621000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(57,'r003','Finished','{"seq":7,"answer":{"readiness":"idle","reason":"","type":"Assessed"},"at":"2026-06-17T03:15:15.721000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(58,'r003','Started','{"seq":8,"effect":{"person":"ann","type":"Fence"},"at":"2026-06-17T03:15:15.721000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(59,'r003','Finished','{"seq":8,"answer":{"type":"Done"},"at":"2026-06-17T03:15:15.822000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(60,'r003','Started','{"seq":9,"effect":{"person":"ann","type":"Stop"},"at":"2026-06-17T03:15:15.822000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(61,'r003','Finished','{"seq":9,"answer":{"type":"Done"},"at":"2026-06-17T03:15:16.424000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(62,'r003','Started','{"seq":10,"effect":{"person":"ann","snapshot":"r003.0010","build":"0.0.28-nightly.20260615.567","giving_up":false,"type":"SnapshotAtRest"},"at":"2026-06-17T03:15:16.424000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(63,'r003','Finished','{"seq":10,"answer":{"snapshot":"r003.0010","ledger":{"databases":[["state.sqlite",{"entries":[{"id":1,"name":"OrchestrationEvents"},{"id":2,"name":"Step2"},{"id":3,"name":"Step3"},{"id":4,"name":"Step4"},{"id":5,"name":"Step5"},{"id":6,"name":"Step6"},{"id":7,"name":"Step7"},{"id":8,"name":"Step8"},{"id":9,"name":"Step9"},{"id":10,"name":"Step10"},{"id":11,"name":"Step11"},{"id":12,"name":"Step12"},{"id":13,"name":"Step13"},{"id":14,"name":"Step14"},{"id":15,"name":"Step15"},{"id":16,"name":"Step16"},{"id":17,"name":"Step17"},{"id":18,"name":"Step18"},{"id":19,"name":"Step19"},{"id":20,"name":"Step20"},{"id":21,"name":"Step21"},{"id":22,"name":"Step22"},{"id":23,"name":"Step23"},{"id":24,"name":"Step24"},{"id":25,"name":"Step25"},{"id":26,"name":"Step26"},{"id":27,"name":"Step27"},{"id":28,"name":"Step28"},{"id":29,"name":"Step29"},{"id":30,"name":"Step30"},{"id":31,"name":"AuthAuthorizationScopes"},{"id":32,"name":"Step32"}]}]]},"size":208896,"migrated_by":"","type":"Snapshotted"},"at":"2026-06-17T03:15:16.927000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(64,'r003','Started','{"seq":11,"effect":{"person":"ann","build":"0.0.28-nightly.20260616.571","type":"Select"},"at":"2026-06-17T03:15:16.927000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(65,'r003','Finished','{"seq":11,"answer":{"type":"Done"},"at":"2026-06-17T03:15:17.028000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(66,'r003','Started','{"seq":12,"effect":{"person":"ann","type":"Start"},"at":"2026-06-17T03:15:17.028000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(67,'r003','Finished','{"seq":12,"answer":{"type":"Done"},"at":"2026-06-17T03:15:18.529000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(68,'r003','Started','{"seq":13,"effect":{"person":"ann","build":"0.0.28-nightly.20260616.571","type":"Verify"},"at":"2026-06-17T03:15:18.529000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(69,'r003','Finished','{"seq":13,"answer":{"via":"dispatch","seconds":0.0,"type":"Paired"},"at":"2026-06-17T03:15:20.529000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(70,'r003','Started','{"seq":14,"effect":{"people":["ann"],"build":"0.0.28-nightly.20260616.571","seconds":600.0,"type":"Bake"},"at":"2026-06-17T03:15:20.529000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(71,'r003','Finished','{"seq":14,"answer":{"type":"Done"},"at":"2026-06-17T03:25:20.629000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(72,'r003','Started','{"seq":15,"effect":{"build":"0.0.28-nightly.20260616.571","everybody":["ann"],"type":"Promote"},"at":"2026-06-17T03:25:20.629000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(73,'r003','Finished','{"seq":15,"answer":{"type":"Done"},"at":"2026-06-17T03:25:20.732000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(74,'r003','Started','{"seq":16,"effect":{"people":["ann"],"pinned":["r003.0010"],"type":"Prune"},"at":"2026-06-17T03:25:20.732000+00:00","type":"Started"}');
INSERT INTO "events" VALUES(75,'r003','Finished','{"seq":16,"answer":{"type":"Done"},"at":"2026-06-17T03:25:20.732000+00:00","type":"Finished"}');
INSERT INTO "events" VALUES(76,'r003','Closed','{"ended":{"outcome":"promoted","reason":"0.0.28-nightly.20260616.571: moved ann"},"at":"2026-06-17T03:25:20.732000+00:00","type":"Closed"}');
CREATE TABLE moves (
    number INTEGER NOT NULL REFERENCES runs,
    place INTEGER NOT NULL,
    person TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    ran TEXT,
    used TEXT NOT NULL,
    put TEXT,
    put_at TEXT,
    PRIMARY KEY (number, place)
) STRICT;
INSERT INTO "moves" VALUES(1,0,'ann','0.0.28-nightly.20260614.560','0.0.28-nightly.20260615.567','moved','','0.0.28-nightly.20260615.567','["r001.0010"]','0.0.28-nightly.20260615.567','2026-06-16T03:00:55.112000+00:00');
INSERT INTO "moves" VALUES(43,0,'ann','0.0.28-nightly.20260615.567','0.0.28-nightly.20260616.571','moved','','0.0.28-nightly.20260616.571','["r003.0010"]','0.0.28-nightly.20260616.571','2026-06-17T03:15:17.028000+00:00');
CREATE TABLE notified (
    destination TEXT NOT NULL, cause TEXT NOT NULL, about TEXT NOT NULL, mark TEXT NOT NULL
) STRICT;
CREATE TABLE offer (
    only INTEGER PRIMARY KEY CHECK (only = 1), newest TEXT NOT NULL, at TEXT NOT NULL
) STRICT;
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    candidate TEXT NOT NULL,
    opened TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    closed TEXT NOT NULL,
    baking TEXT NOT NULL
) STRICT;
INSERT INTO "runs" VALUES(1,'r001','run','0.0.28-nightly.20260615.567','2026-06-16T03:00:01+00:00','later','not promoted, the bake was cut off: the dispatch does not answer','2026-06-16T03:04:20.713000+00:00','[]');
INSERT INTO "runs" VALUES(35,'r002','bake','0.0.28-nightly.20260615.567','2026-06-16T03:04:21.713000+00:00','promoted','0.0.28-nightly.20260615.567: baked ann','2026-06-16T03:14:21.916000+00:00','["ann"]');
INSERT INTO "runs" VALUES(43,'r003','run','0.0.28-nightly.20260616.571','2026-06-17T03:14:22.916000+00:00','promoted','0.0.28-nightly.20260616.571: moved ann','2026-06-17T03:25:20.732000+00:00','[]');
CREATE TABLE verdicts (
    version TEXT PRIMARY KEY,
    ruling TEXT NOT NULL,
    reasons TEXT NOT NULL,
    in_production INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
INSERT INTO "verdicts" VALUES('0.0.28-nightly.20260615.567','passed','[]',0,'gate-1/afd92a0d8d1bdedfdefb1fe63cc27867351bb4b1eda0bed0ff5f3a7184db6a65/linux-x86_64-glibc-node24','2026-06-17T03:25:20.732000+00:00');
INSERT INTO "verdicts" VALUES('0.0.28-nightly.20260616.571','passed','[]',0,'gate-1/d587b1c72b1daeb14f42fea2f2e895fb381fc96cdceffd954da6632115072116/linux-x86_64-glibc-node24','2026-06-17T03:25:20.732000+00:00');
CREATE TABLE written_by (t3safe TEXT NOT NULL) STRICT;
INSERT INTO "written_by" VALUES('0.1.0');
CREATE INDEX events_by_run ON events (run, number);
CREATE INDEX events_by_kind ON events (kind, number);
CREATE INDEX moves_by_person ON moves (person, number);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',76);
COMMIT;
