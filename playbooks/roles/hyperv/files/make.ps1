# Make the guest from the disk that was brought, with every block of it reserved, and start it. A
# guest of Baremark's of the same name is replaced; another's is never touched.
param(
    [Parameter(Mandatory)] [string] $Name,
    [Parameter(Mandatory)] [string] $Mark,
    [Parameter(Mandatory)] [string] $Spec,
    [Parameter(Mandatory)] [string] $Image,
    [Parameter(Mandatory)] [string] $Folder,
    [Parameter(Mandatory)] [string] $Switch,
    [Parameter(Mandatory)] [int] $Vcpus,
    [Parameter(Mandatory)] [long] $MemoryMib
)
$ErrorActionPreference = 'Stop'
$Ansible.Changed = $true
$Label = 'baremark.target'
$place = Join-Path -Path $Folder -ChildPath $Name
foreach ($machine in @(Get-VM | Where-Object { $_.Name -eq $Name })) {
    if (-not "$($machine.Notes)".StartsWith("$Mark $Name ")) {
        throw "there is a virtual machine $Name that Baremark did not make; rename or remove it"
    }
    if ($machine.State -ne 'Off') { Stop-VM -VM $machine -TurnOff -Force }
    Remove-VM -VM $machine -Force
}
if (Test-Path -Path $place) {
    if (-not (Test-Path -Path (Join-Path -Path $place -ChildPath $Label))) {
        throw "there is a folder $place that Baremark did not make; rename or remove it"
    }
    Remove-Item -Path $place -Recurse -Force
}
New-Item -Path $place -ItemType Directory -Force | Out-Null
Set-Content -Path (Join-Path -Path $place -ChildPath $Label) -Value $Mark
$disk = Join-Path -Path $place -ChildPath 'disk.vhdx'
$made = $null
try {
    Convert-VHD -Path $Image -DestinationPath $disk -VHDType Fixed
    # Generation 1 is the one with a BIOS, which the common image boots by.
    $made = New-VM -Name $Name -Generation 1 -MemoryStartupBytes ($MemoryMib * 1048576) `
        -VHDPath $disk -SwitchName $Switch -Path $place
    Set-VM -VM $made -Notes "$Mark $Name $Spec" -StaticMemory -CheckpointType Disabled `
        -AutomaticStartAction Nothing -AutomaticStopAction TurnOff
    Set-VMProcessor -VM $made -Count $Vcpus
    Set-VMMemory -VM $made -DynamicMemoryEnabled $false -StartupBytes ($MemoryMib * 1048576)
    Start-VM -VM $made
}
catch {
    if ($null -ne $made) {
        Stop-VM -VM $made -TurnOff -Force -ErrorAction SilentlyContinue
        Remove-VM -VM $made -Force
    }
    Remove-Item -Path $place -Recurse -Force -ErrorAction SilentlyContinue
    throw
}
