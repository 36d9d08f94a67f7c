# What Hyper-V says of the guest and of the room for it. It changes nothing.
param(
    [Parameter(Mandatory)] [string] $Name,
    [Parameter(Mandatory)] [string] $Mark,
    [string] $Switch = '',
    [string] $Folder = '',
    [int] $Vcpus = 0,
    [long] $MemoryMib = 0,
    [long] $DiskGib = 0
)
$ErrorActionPreference = 'Stop'
$Ansible.Changed = $false
$findings = @()
$told = @{ found = $false; running = $false }
if (-not (Get-Command -Name Get-VM -ErrorAction SilentlyContinue)) {
    $findings += @{
        why = 'Hyper-V is not there (no Get-VM)'
        fix = 'on Windows Server: Install-WindowsFeature Hyper-V -IncludeManagementTools -Restart; ' +
            'on Windows: Enable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V -All'
    }
}
elseif ((Get-Service -Name vmms).Status -ne 'Running') {
    $findings += @{ why = "Hyper-V's service vmms does not run"; fix = 'Start-Service vmms' }
}
else {
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    $told.release = "$($system.Caption.Trim()) $($system.Version)"
    $processors = (Get-VMHost).LogicalProcessorCount
    if ($Vcpus -gt $processors) {
        $findings += @{
            why = "$Vcpus vCPUs asked for, the host has $processors"
            fix = 'set a smaller baremark_vcpus for every target of the machine'
        }
    }
    $free = [long] ($system.FreePhysicalMemory / 1024)
    $machines = @(Get-VM | Where-Object { $_.Name -eq $Name })
    foreach ($machine in $machines) {
        $told.found = $true
        if (-not "$($machine.Notes)".StartsWith("$Mark $Name ")) {
            $findings += @{
                why = "there is a virtual machine $Name that Baremark did not make"
                fix = "Rename-VM -Name $Name -NewName another-name"
            }
            continue
        }
        $told.running = $machine.State -eq 'Running'
        $told.spec = ($machine.Notes -split ' ')[-1]
        $told.vcpus = [string] $machine.ProcessorCount
        $told.memory_mib = [string] ($machine.MemoryStartup / 1048576)
        $told.generation = [string] $machine.Generation
        $told.version = [string] $machine.Version
    }
    if (-not $told.running -and $MemoryMib -gt $free) {
        $findings += @{
            why = "$MemoryMib MiB of memory asked for, $free MiB are free"
            fix = 'set a smaller baremark_memory_mib for every target of the machine'
        }
    }
    $switches = @(Get-VMSwitch | ForEach-Object { $_.Name })
    if ($switches -notcontains $Switch) {
        $findings += @{
            why = "it has no virtual switch '$Switch'; there are: $($switches -join ', ')"
            fix = 'set baremark_switch to the one that leads to the bench network'
        }
    }
    $drive = Get-PSDrive -Name (Split-Path -Path $Folder -Qualifier).TrimEnd(':')
    if (-not $told.found -and $DiskGib * 2 -gt $drive.Free / 1073741824) {
        $findings += @{
            why = "$($DiskGib * 2) GiB of disk asked for, $([long] ($drive.Free / 1073741824)) GiB are free"
            fix = 'free some, or set baremark_hyperv_folder to another drive'
        }
    }
}
$told.findings = $findings
$Ansible.Result = $told
