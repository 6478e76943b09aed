def percent_moved(before, now):
    return (now / before - 1) * 100
