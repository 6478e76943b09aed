def stage_time(durations, slots):
    free_at = [0] * slots
    for duration in durations:
        free_at = sorted([free_at[0] + duration, *free_at[1:]])
    return free_at[-1]
