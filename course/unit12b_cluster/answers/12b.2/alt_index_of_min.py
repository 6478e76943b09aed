def stage_time(durations, slots):
    free_at = [0] * slots
    for duration in durations:
        free_at[free_at.index(min(free_at))] += duration
    return max(free_at)
