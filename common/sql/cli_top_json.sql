-- All that the live view shows, once. Columns: json.
select jsonb_build_object(
    'overview', ganger.overview(),
    'throughput', ganger.throughput('2 min', '1 s'),
    'nodes', (select coalesce(jsonb_agg(to_jsonb(n) order by n.name), '[]') from ganger.nodes as n where n.state = 'alive'),
    'workers', (select coalesce(jsonb_agg(to_jsonb(w) order by w.node, w.id), '[]') from ganger.workers as w where w.state <> 'dead'),
    'failures', (select coalesce(jsonb_agg(to_jsonb(f)), '[]') from ganger.failures('1 h', null, 100) as f)) as json;
