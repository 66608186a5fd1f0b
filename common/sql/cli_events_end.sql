-- Where the feed of events ends now. Column: number.
select ganger.last_event_id() as number;
