-- Jobs in every state, with texts that would be code if a page took them for it.
select count(ganger.enqueue('send_email', jsonb_build_object('to', 'user' || n || '@example.org', 'template', 'welcome'), queue => 'mail', tags => '{welcome}'))
from generate_series(1, 40) n;
select count(ganger.enqueue('charge_card', jsonb_build_object('customer', n, 'cents', 100 * n), max_attempts => 1, owner => 'shop')) from generate_series(1, 7) n;
select ganger.enqueue('charge_card', '{"customer": 99}', max_attempts => 5, retry_delay => '20 min', tags => '{retrying}');
select count(ganger.enqueue('resize_image', jsonb_build_object('file', n || '.png'), queue => 'images', max_attempts => 1)) from generate_series(1, 2) n;
select ganger.enqueue('sleep', '{"ms": 60000}', timeout => '300 ms', kill_grace => '0 s', max_attempts => 1, tags => '{too-slow}');
select ganger.enqueue('export_report', '{"month": "2030-01", "filters": {"country": ["de", "at", "ch"], "paid": true}, "columns": ["id", "total", "tax"]}',
                      queue => 'reports', tags => '{monthly,finance}', group_key => 'finance', metadata => '{"asked_by": "ann"}');
select count(ganger.enqueue('send_email', '{"to": "later@example.org"}', queue => 'mail', run_at => now() + interval '3 hours', priority => 5, tags => '{digest}'))
from generate_series(1, 5);
select ganger.enqueue('ask_approval', '{"invoice": 4711}', tags => '{finance}');
with first as (select ganger.enqueue('echo', '{"step": "collect"}', run_at => now() + interval '2 hours', tags => '{pipeline}') as id)
select ganger.enqueue('echo', '{"step": "publish"}', depends_on => array[first.id], tags => '{pipeline}') from first;
select ganger.cancel(ganger.enqueue('echo', '{"never": true}', run_at => now() + interval '1 day'));
select ganger.set_queue('mail', concurrency => 20, rate => 1000, rate_period => '1 min');
select ganger.enqueue('echo', '{"quiet": true}', queue => 'quiet') from generate_series(1, 3);
select ganger.pause_queue('quiet');
select ganger.create_batch('import-7', 'echo', (select jsonb_agg(jsonb_build_object('row', n)) from generate_series(1, 12) n), concurrency => 4);
select ganger.start_batch('import-7');
select ganger.create_batch('import-8', 'sleep', (select jsonb_agg(jsonb_build_object('ms', 300000)) from generate_series(1, 6) n), concurrency => 1, options => '{"queue": "reports"}');
select ganger.start_batch('import-8');
select ganger.create_batch('draft', 'echo', '[1, 2, 3]');
select ganger.create_schedule('nightly report', '0 3 * * *', 'echo', '{"days": 1}', timezone => 'Europe/Berlin', overlap => 'skip');
select ganger.create_schedule('heartbeat', '@every 1h', 'echo', '{"ping": true}');
select ganger.create_schedule('month end', '0 0 L * *', 'send_email', '{"to": "books@example.org"}', options => '{"queue": "mail"}');
select ganger.pause_schedule('month end');
select ganger.create_token('7 days', tags => '{signature}');
-- what would run, if a text were taken for code
select ganger.enqueue('<img src=x onerror="window.hurt=1">', '{"html": "<script>window.hurt=1</script>", "link": "javascript:window.hurt=1", "<b onmouseover=window.hurt=1>": "\"><svg/onload=window.hurt=1>"}',
    queue => '"><script>window.hurt=1</script>', tags => array['<svg/onload=window.hurt=1>', '{{constructor.constructor("window.hurt=1")()}}'], owner => '<iframe src="javascript:parent.hurt=1">',
    group_key => ''' onfocus=''window.hurt=1'' autofocus=''', idempotency_key => '<a href="javascript:window.hurt=1">x</a>', metadata => '{"note": "</script><script>window.hurt=1</script>"}',
    run_at => now() + interval '1 hour');
select ganger.create_schedule('<img src=x onerror="window.hurt=1">', '0 4 * * *', 'echo', '"<script>window.hurt=1</script>"');
select ganger.create_batch('"><img src=x onerror=window.hurt=1>', '<svg/onload=window.hurt=1>', '["<script>window.hurt=1</script>"]');
