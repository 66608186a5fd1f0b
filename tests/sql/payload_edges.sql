-- SPDX-License-Identifier: MIT
-- What is no payload is refused when it is enqueued, by a code that stays the same, and no worker ever sees it.
select plan(67);

create temp table input (label text, code text, json text); -- an SQL expression of a jsonb
create function pg_temp.add(code text, variadic texts text[]) returns void language sql as
    $$ insert into input select t, code, quote_literal(t) || '::jsonb' from unnest(texts) t $$;

-- no JSON
select pg_temp.add('22P02', '', ' ', '{', '[', '"', 'nul', 'True', 'undefined', 'NaN', 'Infinity', '-', '+1', '01', '.5', '1.', '1e', '0x10', '--1',
    '1 2', '[1,]', '[,1]', '[1 2]', '{"a":}', '{"a" 1}', '{"a":1,}', '{1:2}', '{a:1}', '{''a'':1}', '"unterminated', '"\x"', '"\u12"', '"\ud800"', '"\udc00x"',
    e'"a\tb"', e'"a\nb"', '/* c */ 1', '1 // c', '<a/>', '!!binary x', e'\ufeff{}') \g /dev/null
-- JSON that PostgreSQL cannot keep
select pg_temp.add('22P05', '"\u0000"', '{"a\u0000b": 1}') \g /dev/null
select pg_temp.add('22003', '1e400000', '-1e400000', '[1e131073]') \g /dev/null
insert into input values
    ('a byte that is no UTF-8', '22021', $$ convert_from('\x22ff22', 'UTF8')::jsonb $$),
    ('an overlong form', '22021', $$ convert_from('\x22c0af22', 'UTF8')::jsonb $$),
    ('half of a surrogate pair', '22021', $$ convert_from('\x22eda08022', 'UTF8')::jsonb $$),
    ('a NUL', '22021', $$ convert_from('\x22610022', 'UTF8')::jsonb $$),
    ('depth of 100,000, open', '54001', $$ repeat('[', 100000)::jsonb $$),
    ('depth of 100,000', '54001', $$ (repeat('[', 100000) || repeat(']', 100000))::jsonb $$),
    ('depth of 100,000 in objects', '54001', $$ (repeat('{"a":', 100000) || '1' || repeat('}', 100000))::jsonb $$),
    ('more than a jsonb string', '54000', $$ to_jsonb(repeat('x', 268435456)) $$),
    -- JSON that is too large for a job
    ('1 MiB and one byte', '22023', $$ to_jsonb(repeat('x', 1048575)) $$),
    ('1 MiB of escapes', '22023', $$ to_jsonb(repeat(e'\n', 524288)) $$),
    ('many small members', '22023', $$ (select jsonb_object_agg(n, n) from generate_series(1, 100000) n) $$),
    ('16 MiB and one byte', '22023', $$ to_jsonb(repeat('x', 16777215)) $$);

select ok((select count(*) >= 40 from input), (select count(*) from input) || ' inputs');
select throws_ok('select ganger.enqueue(''x'', ' || json || ')', code, null, coalesce(nullif(translate(label, e'\n\t', '  '), ''), 'nothing')) from input order by code, label;
select is((select count(*) from ganger.jobs), 0::bigint, 'none of them is a job');
-- and the last that fits
select lives_ok($$ select ganger.enqueue('x', to_jsonb(repeat('x', 1048574))) $$, '1 MiB is one');
select ganger._set_setting('payload_max', '999999999') \g /dev/null
select lives_ok($$ select ganger.enqueue('x', to_jsonb(repeat('x', 16777214))) $$, 'and where more is allowed, 16 MiB');
select throws_ok($$ select ganger.enqueue('x', to_jsonb(repeat('x', 16777215))) $$, '22023', null, 'more than that is not, whatever the setting says');
select throws_ok($$ select ganger.enqueue_many(jsonb_build_array(jsonb_build_object('job_type', 'x'), jsonb_build_object('job_type', 'x', 'payload', repeat('x', 16777215)))) $$,
    '22023', null, 'nor among many');
select is((select count(*) from ganger.jobs), 2::bigint, 'none of which is there then');
-- A payload of less than 1 KiB is not made into text to see its length: with numbers of many zeros it may have more than payload_max, never
-- more than the 16 MiB that everything can take.
select ganger._set_setting('payload_max', '1048576') \g /dev/null
select lives_ok($$ select ganger.enqueue('zeros', to_jsonb(array_fill('1e131071'::numeric, array[9]))) $$, 'zeros');
select throws_ok($$ select ganger.enqueue('zeros', to_jsonb(array_fill('1e131071'::numeric, array[100]))) $$, '22023', null, 'that end');
select ok((select max(octet_length(payload::text)) < 16777216 from ganger.jobs where job_type = 'zeros'), 'before that');
select * from finish();
